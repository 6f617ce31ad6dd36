// The most used shortcodes. Others stay as they were typed, between their colons.

const TABLE = `
white_check_mark ✅|heavy_check_mark ✔️|ballot_box_with_check ☑️|x ❌|negative_squared_cross_mark ❎|no_entry ⛔
no_entry_sign 🚫|warning ⚠️|rotating_light 🚨|exclamation ❗|question ❓|information_source ℹ️|bell 🔔|no_bell 🔕
hourglass ⌛|hourglass_flowing_sand ⏳|alarm_clock ⏰|stopwatch ⏱️|clock1 🕐|clock3 🕒|calendar 📆|date 📅|zzz 💤
eyes 👀|thumbsup 👍|+1 👍|thumbsdown 👎|-1 👎|clap 👏|wave 👋|pray 🙏|raised_hands 🙌|ok_hand 👌|muscle 💪|point_right 👉
point_up 👆|point_down 👇|handshake 🤝|writing_hand ✍️|smile 😄|smiley 😃|grin 😁|joy 😂|slightly_smiling_face 🙂|wink 😉
blush 😊|thinking_face 🤔|thinking 🤔|sweat_smile 😅|sob 😭|cry 😢|heart ❤️|green_heart 💚|blue_heart 💙|tada 🎉|rocket 🚀
fire 🔥|sparkles ✨|star ⭐|zap ⚡|boom 💥|100 💯|bulb 💡|memo 📝|pencil ✏️|pencil2 ✏️|page_facing_up 📄|clipboard 📋
bookmark 🔖|link 🔗|paperclip 📎|pushpin 📌|round_pushpin 📍|lock 🔒|unlock 🔓|key 🔑|closed_lock_with_key 🔐|shield 🛡️
moneybag 💰|dollar 💵|euro 💶|credit_card 💳|receipt 🧾|shopping_cart 🛒|shopping_trolley 🛒|package 📦|truck 🚚
chart_with_upwards_trend 📈|bar_chart 📊|computer 💻|desktop_computer 🖥️|iphone 📱|telephone ☎️|phone ☎️|speech_balloon 💬
email 📧|envelope ✉️|incoming_envelope 📨|mailbox 📫|inbox_tray 📥|outbox_tray 📤|mega 📣|loudspeaker 📢
hammer_and_wrench 🛠️|wrench 🔧|gear ⚙️|construction 🚧|robot_face 🤖|robot 🤖|ghost 👻|office 🏢|house 🏠|airplane ✈️
coffee ☕|pizza 🍕|cake 🍰|beers 🍻|sunny ☀️|cloud ☁️|snowflake ❄️|seedling 🌱|red_circle 🔴|large_blue_circle 🔵
large_green_circle 🟢|large_yellow_circle 🟡|large_orange_circle 🟠|white_circle ⚪|black_circle ⚫|large_blue_square 🟦
large_green_square 🟩|large_red_square 🟥|arrow_right ➡️|arrow_left ⬅️|arrow_up ⬆️|arrow_down ⬇️
arrows_counterclockwise 🔄|repeat 🔁|leftwards_arrow_with_hook ↩️|back 🔙|soon 🔜|double_vertical_bar ⏸️|black_square_for_stop ⏹️
arrow_forward ▶️|fast_forward ⏩|heavy_plus_sign ➕|heavy_minus_sign ➖|recycle ♻️|balance_scale ⚖️|scales ⚖️
bust_in_silhouette 👤|busts_in_silhouette 👥|male-office-worker 👨‍💼|female-office-worker 👩‍💼|crown 👑|checkered_flag 🏁
triangular_flag_on_post 🚩|mag 🔍|hand ✋|raised_hand ✋|stop_sign 🛑|octagonal_sign 🛑|new 🆕|ok 🆗|sos 🆘`;

/** @type {Map<string, string>} */
const BY_NAME = new Map(
  TABLE.trim()
    .split(/[|\n]/)
    .map((entry) => {
      const gap = entry.indexOf(" ");
      return /** @type {const} */ ([entry.slice(0, gap), entry.slice(gap + 1)]);
    }),
);

/**
 * The character of a shortcode without its colons, or null.
 * @param {string} name
 */
export function emoji(name) {
  return BY_NAME.get(name) ?? null;
}
