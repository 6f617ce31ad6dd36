// The state of interactive elements, in the shape Slack sends it. The simulator decides what may be submitted.

/** @import { Block, Entry, Interactive, Values } from "../app/types.js" */

/** @type {Record<string, string>} */
const FIELD = {
  static_select: "selected_option",
  external_select: "selected_option",
  radio_buttons: "selected_option",
  overflow: "selected_option",
  users_select: "selected_user",
  conversations_select: "selected_conversation",
  channels_select: "selected_channel",
  multi_static_select: "selected_options",
  checkboxes: "selected_options",
  multi_users_select: "selected_users",
  multi_conversations_select: "selected_conversations",
  multi_channels_select: "selected_channels",
  datepicker: "selected_date",
  timepicker: "selected_time",
  datetimepicker: "selected_date_time",
  plain_text_input: "value",
  number_input: "value",
  email_text_input: "value",
  url_text_input: "value",
  button: "value",
};

/** @type {Record<string, string>} */
const INITIAL = {
  selected_option: "initial_option",
  selected_user: "initial_user",
  selected_conversation: "initial_conversation",
  selected_channel: "initial_channel",
  selected_options: "initial_options",
  selected_users: "initial_users",
  selected_conversations: "initial_conversations",
  selected_channels: "initial_channels",
  selected_date: "initial_date",
  selected_time: "initial_time",
  selected_date_time: "initial_date_time",
  value: "initial_value",
};

const TEXT_INPUTS = new Set(["plain_text_input", "number_input", "email_text_input", "url_text_input"]);

/**
 * The name of the field that carries this element's value.
 * @param {{type: string}} element
 */
export function fieldOf(element) {
  return FIELD[element.type];
}

/**
 * Whether an element keeps a value. Buttons and overflow menus do not.
 * @param {{type: string}} element
 */
export function isStateful(element) {
  return Boolean(FIELD[element.type]) && element.type !== "button" && element.type !== "overflow";
}

/** @param {{type: string}} element */
export function isTextInput(element) {
  return TEXT_INPUTS.has(element.type);
}

/**
 * The state entry of an untouched element.
 * @param {{type: string}} element
 * @returns {Entry}
 */
export function initialState(element) {
  const field = fieldOf(element);
  const many = field.endsWith("s");
  return {
    type: element.type,
    [field]: /** @type {Record<string, any>} */ (element)[INITIAL[field]] ?? (many ? [] : null),
  };
}

/**
 * Every interactive element of the blocks, as {block, element}.
 * @param {Block[]|null} blocks
 */
export function elementsOf(blocks) {
  /** @type {{block: Block, element: Interactive}[]} */
  const found = [];
  for (const block of blocks || []) {
    const elements =
      block.type === "input"
        ? [block.element]
        : block.type === "section"
          ? [block.accessory]
          : block.elements;
    for (const element of elements || [])
      if (element?.action_id && FIELD[element.type]) found.push({ block, element });
  }
  return found;
}

/**
 * `state.values` of the blocks: {block_id: {action_id: entry}}; `current(block, element)` gives each entry.
 * @param {Block[]|null} blocks
 * @param {(block: Block, element: Interactive) => Entry} current
 */
export function collect(blocks, current) {
  /** @type {Values} */
  const values = {};
  for (const { block, element } of elementsOf(blocks)) {
    if (!isStateful(element)) continue;
    values[block.block_id] ??= {};
    values[block.block_id][element.action_id] = current(block, element);
  }
  return values;
}
