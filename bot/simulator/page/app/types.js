// The shapes that the page's modules share. Only the type checker reads this module; the browser never loads it.
// Times are epoch seconds of the workspace's clock; a `ts` is such a time as Slack writes it, in a string.

// ---- the workspace, as /sim gives it ------------------------------------------------------------------------

/**
 * @typedef {object} Person somebody in the workspace, or the app
 * @property {string} id
 * @property {string} name what one types after an @
 * @property {string} real_name
 * @property {string} title
 * @property {string} tz
 * @property {string} color six hexadecimal digits
 * @property {boolean} is_bot
 */

/** @typedef {{id: string, handle: string, name: string}} Group */

/**
 * @typedef {object} Channel a channel or a direct message, as the acting person sees it
 * @property {string} id
 * @property {string} name
 * @property {string} topic
 * @property {boolean} is_im
 * @property {string} [with] whom the direct message is with
 * @property {boolean} is_member
 * @property {number} unread how many messages the person has not read
 * @property {boolean} mention whether one of those names the person
 * @property {string|null} last_ts
 */

/**
 * @typedef {object} Message
 * @property {string} ts
 * @property {string} channel
 * @property {string|null} user the author; null for Slack itself
 * @property {boolean} bot
 * @property {string} username the name that the app chose for this message
 * @property {string} text
 * @property {Block[]|null} blocks
 * @property {string|null} thread_ts
 * @property {number} reply_count
 * @property {string[]} reply_users
 * @property {string|null} latest_reply
 * @property {{ts: string}|null} edited
 * @property {Record<string, string[]>} reactions who reacted, by the emoji's name
 * @property {SharedFile[]} [files]
 * @property {boolean} ephemeral only the acting person sees it
 * @property {{event_type: string, event_payload: Record<string, any>}|null} metadata
 */

/**
 * @typedef {object} SharedFile
 * @property {string} id
 * @property {string} name
 * @property {string} title
 * @property {string} mimetype
 */

/**
 * @typedef {object} View a modal or the app's Home
 * @property {string} id
 * @property {string} type "modal" or "home"
 * @property {Block[]} blocks
 * @property {TextObject} title
 * @property {TextObject|null} [submit]
 * @property {TextObject|null} [close]
 * @property {{values: Values}|null} [state]
 */

/** @typedef {{command: string, description: string, usage_hint: string}} Command */

/**
 * @typedef {object} App
 * @property {string} id
 * @property {string} name
 * @property {string|null} connected how it is connected: "socket" or another word; null when it is not
 * @property {boolean|null} running null where nobody supervises its process
 * @property {Command[]} commands
 * @property {boolean} takes_messages
 * @property {string[]} tries lines to begin with
 */

/**
 * @typedef {object} PhoneText a text message
 * @property {string} id
 * @property {"in"|"out"} direction as the phone's owner sees it
 * @property {string} with the other number
 * @property {string} body
 * @property {number} at
 * @property {string} status
 * @property {number|null} error Twilio's code
 */

/** @typedef {{number: string, peer: string, messages: PhoneText[], opted_out: boolean, unread: number}} Phone */

/**
 * @typedef {object} Fault one that is on
 * @property {number} id
 * @property {string} [error]
 * @property {string} [kind]
 * @property {number} struck how often it was met
 * @property {number|null} until by performance.now(); null where somebody ends it by hand
 */

// ---- the story of a piece of work ---------------------------------------------------------------------------

/**
 * @typedef {object} Step
 * @property {number} at
 * @property {"start"|"done"|"quiet"|"wait"|"event"|"timer"|"trouble"|"end"} look
 * @property {string} words
 * @property {string} detail
 * @property {string[]} who IDs of people and groups
 * @property {string[]} where IDs of channels
 * @property {number|null} until
 * @property {"deadline"|"reminder"|""} timer what is waited for, where it is known and not over
 * @property {number} times how often it happened in a row
 */

/**
 * @typedef {object} Waiting
 * @property {string} words
 * @property {string[]} who
 * @property {number|null} until
 * @property {"deadline"|"reminder"|""} timer
 * @property {string} note
 * @property {boolean} by_phone whether it is a reply from a phone
 */

/**
 * @typedef {object} Story
 * @property {string} id
 * @property {string} title
 * @property {string} standing
 * @property {"open"|"good"|"bad"|"over"} tone
 * @property {Step[]} steps
 * @property {Waiting|null} waiting
 * @property {string[]} outsiders people whose press the app must refuse
 */

// ---- guided scenarios ---------------------------------------------------------------------------------------

/** @typedef {{name: string, title: string, why: string, steps: number}} Scenario */

/** @typedef {{as: string, channel: string, spot: string, text: string}} Scene where a step is done, and with what */

/** @typedef {{tell: string, hand: string, acts: boolean, scene: Scene}} ScriptStep */

/**
 * @typedef {object} Play a scenario that is played
 * @property {string} id
 * @property {string} name
 * @property {string} title
 * @property {string} why
 * @property {boolean} by_hand
 * @property {ScriptStep[]} script
 * @property {number} step the step that is next or under way, counted from 0
 * @property {"waiting"|"doing"|"over"} phase
 * @property {string|null} failed why the step failed
 * @property {string|null} ended why the play can only be started over
 * @property {string[]} notes
 * @property {string[]} wire what a program and the app said to each other
 */

/** @typedef {{scenarios: Scenario[], play: Play|null}} Guide */

// ---- Block Kit ----------------------------------------------------------------------------------------------

/** @typedef {{type: "plain_text"|"mrkdwn", text: string, emoji?: boolean, verbatim?: boolean}} TextObject */

/** @typedef {{text: TextObject, value: string, description?: TextObject, url?: string}} Option */

/**
 * @typedef {object} Confirmation
 * @property {TextObject} [title]
 * @property {TextObject} [text]
 * @property {TextObject} [confirm]
 * @property {TextObject} [deny]
 * @property {string} [style]
 */

/** @typedef {{type: string, image_url?: string, alt_text?: string}} Picture */

/**
 * @typedef {object} Interactive what every element has that a person can use
 * @property {string} type
 * @property {string} action_id
 * @property {Confirmation} [confirm]
 * @property {TextObject} [placeholder]
 */

/**
 * @typedef {Interactive & {
 *     text: TextObject, value?: string, url?: string, style?: string, accessibility_label?: string,
 * }} ButtonElement
 */

/** @typedef {Interactive & {options: Option[]}} OptionsElement radio buttons, checkboxes, an overflow menu */

/**
 * @typedef {Interactive & {
 *     options?: Option[], option_groups?: {label?: TextObject, options: Option[]}[],
 *     filter?: {include?: string[]}, max_selected_items?: number,
 * }} SelectElement
 */

/**
 * @typedef {Interactive & {
 *     multiline?: boolean, max_length?: number, focus_on_load?: boolean,
 *     dispatch_action_config?: {trigger_actions_on?: string[]},
 * }} TextElement
 */

/** @typedef {Interactive & Picture} BlockElement an element of any type, before its type was looked at */

/**
 * @typedef {object} Block
 * @property {string} type
 * @property {string} block_id
 * @property {TextObject} [text]
 * @property {TextObject[]} [fields]
 * @property {BlockElement} [accessory]
 * @property {any[]} [elements] interactive ones, text objects and pictures, or parts of rich text
 * @property {BlockElement} [element]
 * @property {TextObject} [label]
 * @property {TextObject} [hint]
 * @property {TextObject} [title]
 * @property {boolean} [optional]
 * @property {boolean} [dispatch_action]
 * @property {string} [image_url]
 * @property {string} [alt_text]
 */

/** @typedef {{type: string, [field: string]: any}} Entry an element's value, in the shape Slack sends it */

/** @typedef {Record<string, Record<string, Entry>>} Values entries by block ID and action ID */

/**
 * @typedef {object} Surface where blocks are shown (a message, a modal, the app's Home), and how to act there
 * @property {2|3} headingLevel
 * @property {Names} names
 * @property {() => Person[]} people to choose from
 * @property {() => Channel[]} conversations to choose from
 * @property {(block: Block, element: Interactive) => Entry} value the element's entry
 * @property {(block: Block, element: Interactive, entry: Entry) => void} set keeps an entry
 * @property {() => Values} state
 * @property {(block: Block, element: Interactive, entry: Entry) => Promise<void>} act tells the app, and waits for
 *     its answer
 */

/**
 * @typedef {object} Names what text needs to know of the workspace
 * @property {(id: string) => Person|null} person
 * @property {(id: string) => Group|null} group
 * @property {(id: string) => Channel|null} channel
 * @property {string} me
 * @property {string} tz
 * @property {number} now
 * @property {(channel: string) => void} [open] shows a channel
 */

// ---- the page -----------------------------------------------------------------------------------------------

/**
 * @typedef {object} State
 * @property {string} as the acting person's ID; empty until the page knows who acts
 * @property {string|null} channel the open channel's ID
 * @property {string} tab of the app's direct message: "messages" or "home"
 * @property {string|null} thread the ts of the parent in the thread pane
 * @property {Person|null} me
 * @property {Person[]} people
 * @property {Group[]} groups
 * @property {Channel[]} channels
 * @property {View[]} views my open modals, the one in front last
 * @property {{now: number, skippable: boolean}|null} clock
 * @property {number} today the simulated day, as days since 1970 where I am
 * @property {number} minute the minute of that day
 * @property {number} clockRead performance.now() / 1000 when `clock` was read
 * @property {App|null} app
 * @property {string[]} controls
 * @property {{name: string}|null} workspace
 * @property {Message[]|null} messages of `channel`; null until they are loaded
 * @property {Message[]|null} replies of `thread`, the parent first
 * @property {View|null|undefined} home undefined until loaded, null when the app has published none
 * @property {number} unreadAtOpening how many messages were unread when the channel was opened
 * @property {string|null} newFrom the ts of the first of those
 * @property {Set<string>} waiting people with something unread
 * @property {boolean} hasPhones
 * @property {Phone|null} phone mine; null until it is loaded, and where there are none
 * @property {Guide} guide
 * @property {boolean} hasStories
 * @property {string|null} work the ID of the app's work in view
 * @property {string|null} picked the same, where somebody asked for it
 * @property {Story|null} story of `work`; null until it is loaded
 * @property {Story|null} before the story when the app was killed
 * @property {number|null} regained how many of those steps were there again
 * @property {Fault[]} faults
 * @property {boolean} twice whether my next press is sent twice
 * @property {boolean} online
 */

/** @typedef {Node|string|number|null|undefined|false|Child[]} Child what dom.js puts into an element */

/**
 * @typedef {object} Props
 * @property {string} [class]
 * @property {Record<string, string|null|undefined>} [dataset]
 * @property {{[name in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[name]) => unknown}} [on]
 */

/** @typedef {[tag: string, attributes: Record<string, string|number>]} Shape one element of an SVG picture */

/**
 * @typedef {object} Item one entry of a list; it is built again only when its signature changed
 * @property {string} key unique in the list
 * @property {string} sig its signature: whatever it is drawn from
 * @property {() => HTMLElement} build
 */

export {};
