// The one place that talks to the simulator. JSON in and out.

/** The simulator understood and refused; `message` is its sentence, `errors` its words by block of a view. */
export class Refused extends Error {
  constructor(message, errors = null) {
    super(message);
    this.errors = errors;
  }
}

/** The simulator did not answer. */
export class Unreachable extends Error {}

export async function get(path, params = {}) {
  const query = new URLSearchParams(
    Object.entries(params).filter(([, value]) => value !== null && value !== undefined),
  );
  return call(`/sim/${path}?${query}`, { method: "GET" });
}

export async function post(path, body) {
  return call(`/sim/${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
}

export async function remove(path) {
  return call(`/sim/${path}`, { method: "DELETE" });
}

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
