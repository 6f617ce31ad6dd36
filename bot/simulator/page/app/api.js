// The only module that calls the simulator. JSON in and out.

/** The simulator understood and refused; `message` is its sentence, `errors` has its sentences by block of a view. */
export class Refused extends Error {
  /**
   * @param {string} message
   * @param {Record<string, string>|null} errors
   */
  constructor(message, errors = null) {
    super(message);
    this.errors = errors;
  }
}

/** The simulator did not answer. */
export class Unreachable extends Error {}

/**
 * The sentence to show for a caught error.
 * @param {unknown} error
 */
export function reason(error) {
  return error instanceof Error ? error.message : String(error);
}

/**
 * @param {string} path
 * @param {Record<string, string|null|undefined>} params those that are null are left out
 * @returns {Promise<any>} what the simulator answers; the caller names its shape
 */
export async function get(path, params = {}) {
  const query = new URLSearchParams(
    Object.entries(params).flatMap(([name, value]) =>
      value === null || value === undefined ? [] : [[name, value]],
    ),
  );
  return call(`/sim/${path}?${query}`, { method: "GET" });
}

/**
 * @param {string} path
 * @param {object} body
 * @returns {Promise<any>}
 */
export async function post(path, body) {
  return call(`/sim/${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
}

/** @param {string} path */
export async function remove(path) {
  return call(`/sim/${path}`, { method: "DELETE" });
}

/**
 * @param {string} url
 * @param {RequestInit} options
 */
async function call(url, options) {
  let response;
  let answer;
  try {
    response = await fetch(url, { ...options, cache: "no-store" });
    answer = await response.json();
  } catch (error) {
    throw new Unreachable("The simulator cannot be reached. It may have been stopped.", { cause: error });
  }
  if (answer.ok === false) throw new Refused(answer.error || "The simulator refused.", answer.errors);
  if (!response.ok) throw new Refused(answer.error || `The simulator answered ${response.status}.`);
  return answer;
}
