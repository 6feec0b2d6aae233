/*! SharedState client 0.2.0, BSD-2-Clause */

// src/protocol/errors.js
var SharedStateError = class extends /** @type {new (...args: any[]) => Error & Details} */
Error {
  /**
   * @param {string} code what happened, for programs
   * @param {string} message one sentence, for people
   * @param {object} [members] further members to copy
   * @param {ErrorOptions} [options] `cause`: what led to it
   */
  constructor(code, message, members2 = {}, options) {
    super(message, options);
    this.name = "SharedStateError";
    this.code = /** @type {ErrorCode} */
    code;
    for (const [name, value] of Object.entries(members2))
      if (value !== void 0 && !(name in this)) this[name] = value;
  }
};
var bad_update = (place, problem) => new SharedStateError("bad_update", `${place || "update"}: ${problem}`, {
  place: place || void 0
});
var cut = () => bad_update("insert", "none, where only some fields are known");
var Unauthorized = class extends Error {
};

// src/util/random.js
function random_id() {
  const bytes = crypto.getRandomValues(new Uint8Array(36));
  return "00000000-0000-4000-8000-000000000000".replace(
    /[08]/g,
    (digit, place) => (digit === "8" ? 8 | bytes[place] & 3 : bytes[place] & 15).toString(16)
  );
}
var LONGEST_PAUSE = 2e4;
function backoff(failures) {
  return jitter(Math.min(LONGEST_PAUSE, 250 * 2 ** failures));
}
function jitter(bound2) {
  return Math.random() * bound2;
}

// src/api/changes.js
var MEMBERS = ["insert", "remove", "reset", "patch", "if"];
function with_ids(changes) {
  for (const name of Object.keys(changes ?? {}))
    if (!MEMBERS.includes(name)) throw bad_update(name, `expected ${MEMBERS.join(", ")}`);
  if (!Array.isArray(changes?.insert)) return changes;
  const insert = (
    /** @type {any[]} */
    changes.insert.map(
      (item) => is_plain(item) && item.id === void 0 ? { ...item, id: random_id() } : item
    )
  );
  return { ...changes, insert };
}
var is_plain = (item) => ({}).toString.call(item) === "[object Object]" && !item.toJSON;

// src/protocol/views.js
var compare = (a, b) => a[0] - b[0] || a[1] - b[1];
var FEATURES = { where: "where", last: "last", fields: "fields", before: "last" };
var exceeds = (asked, known) => Object.entries(FEATURES).some(
  ([name, feature]) => asked?.[name] !== void 0 && !known.includes(feature)
);
var is_filtered = (asked) => exceeds(asked, []);
var filter_fault = (asked, known) => known && exceeds(asked, known) ? new SharedStateError("failed", "the server knows no filters") : void 0;
var key_of = (path, view) => (
  /** @type {string} */
  view == null ? path : `${path}
${view}`
);

// src/protocol/messages.js
function encode_request(cmd, path, arg, tunnel) {
  return JSON.stringify({ type: "REQUEST", cmd, path, arg, tunnel });
}
function decode(text) {
  let message;
  try {
    message = JSON.parse(text);
  } catch {
    return malformed("not JSON");
  }
  if (!is_object(message)) return malformed("not an object");
  if (message.type === "REPLY") return reply(message);
  const cmd = message.type === "MESSAGE" && message.cmd;
  if (cmd === "NOTIFY") return notification(message, text.length);
  const { path, view, data, error, reason } = message;
  if (cmd === "END") return { kind: "end", path, view, error: members(error) };
  if (cmd !== "SESSION") return void 0;
  const { user, expires } = members(data);
  return { kind: "session", user, expires, reason };
}
function reply(message) {
  const { tunnel, data, error, errors, epoch, version: version2, at, more } = message;
  return {
    kind: "reply",
    tunnel,
    ok: message.ok === true,
    data,
    // A conflict has the current state beside `error`; the application finds it in the error.
    error: { epoch, version: version2, ...members(error) },
    errors,
    at: are_places(
      at,
      /** @type {any} */
      data?.length
    ) ? at : void 0,
    more: more === true
  };
}
function notification({ path, view, data, scope, epoch, base, version: version2, more, at }, size) {
  const { remove = [], insert = [], reset } = members(data);
  const are = (type, ...values) => values.every((value) => value == null || typeof value === type);
  const well = typeof path === "string" && is_object(data) && are("string", view, scope, epoch) && are("number", base, version2) && are("boolean", reset, more) && Array.isArray(remove) && remove.every((id) => typeof id === "string") && Array.isArray(insert) && insert.every((item) => typeof item?.id === "string") && (at == null || are_places(at, insert.length));
  if (!well) return malformed("a member of the wrong type", path, view);
  return {
    kind: "notification",
    path,
    view: (
      /** @type {string | undefined} */
      view ?? void 0
    ),
    update: { remove, insert, reset: reset === true, at: at ?? void 0 },
    scope: (
      /** @type {string | undefined} */
      scope ?? void 0
    ),
    epoch: (
      /** @type {string | undefined} */
      epoch ?? void 0
    ),
    base: (
      /** @type {number | undefined} */
      base ?? void 0
    ),
    version: (
      /** @type {number | undefined} */
      version2 ?? void 0
    ),
    more: more === true,
    size
  };
}
var malformed = (reason, path, view) => ({ kind: "malformed", reason, path, view });
var are_places = (at, count) => Array.isArray(at) && at.length === count && at.every((each) => Array.isArray(each) && each.length === 2 && each.every(Number.isInteger));
var by_key = (list3, view_of2) => new Map(
  Array.isArray(list3) ? list3.filter(Array.isArray).map((each) => [key_of(each[0], view_of2(each)), each[1]]) : []
);
var members = (value) => is_object(value) ? value : {};
function is_object(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

// src/extras/plain.js
function plain(value, place = "") {
  try {
    return copy(to_json(value), place);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new SharedStateError("bad_update", "circular, or nested too deep", {}, { cause });
  }
}
var to_json = (value) => typeof value?.toJSON === "function" ? value.toJSON() : value;
function copy(json, place) {
  if (Array.isArray(json))
    return Array.from(json, (each, n) => copy(to_json(each), `${place}[${n}]`));
  if (is_object(json)) {
    const prototype = Object.getPrototypeOf(json);
    if (!prototype || !Object.getPrototypeOf(prototype))
      return Object.fromEntries(
        Object.entries(json).map(([name, each]) => [name, to_json(each)]).filter(([, each]) => each !== void 0).map(([name, each]) => [name, copy(each, place ? `${place}.${name}` : name)])
      );
  } else if (json === null || /string|boolean/.test(typeof json) || Number.isFinite(json)) {
    return json;
  }
  const kind = typeof json === "number" ? json : json?.constructor?.name;
  throw bad_update(place, `${kind} is not JSON`);
}

// src/extras/validation.js
function plain_changes(changes) {
  const copy2 = plain(changes);
  expect(is_object(copy2), "", "an object with remove, insert, reset, patch");
  expect_values(changes.patch);
  expect(!("if" in changes) || changes.if, "if", "a cursor");
  const prepared = with_ids(copy2);
  const { insert = [] } = prepared;
  expect_ids(insert, "insert", ".id");
  return prepared;
}
function expect_values(patches) {
  if (!Array.isArray(patches)) return;
  for (const [n, patch] of patches.entries())
    for (const kind of ["set", "inc", "add", "pull"])
      for (const [member, value] of Object.entries(patch?.[kind] ?? {}))
        expect(
          value !== void 0,
          `patch[${n}].${kind}.${member}`,
          "a value; `unset` takes it away"
        );
}
function batch_of(changes) {
  const copy2 = plain_changes(changes);
  expect(!("if" in changes), "if", "none, in a transaction");
  const { remove = [], insert = [], reset = false, patch = [] } = (
    /** @type {any} */
    copy2
  );
  expect_ids(remove, "remove");
  expect_ids(patch, "patch", ".id");
  expect(typeof reset === "boolean", "reset", "true or false");
  return { remove, insert, reset, patch };
}
function expect_ids(list3, name, member = "") {
  expect(Array.isArray(list3), name, "an array");
  for (const [n, each] of list3.entries()) {
    expect(!member || is_object(each), `${name}[${n}]`, "an object");
    const id = member ? each.id : each;
    if (!id || typeof id !== "string")
      expect(false, `${name}[${n}]${member}`, `a non-empty string, found ${JSON.stringify(id)}`);
  }
}
function expect(holds, place, what) {
  if (!holds) throw bad_update(place, `expected ${what}`);
}

// src/api/filter.js
function filter_of({ where, last, fields } = {}) {
  const given = Object.entries({ where, last, fields }).filter(([, each]) => each !== void 0);
  const parts = given.map(([name, each]) => [name, JSON.parse(canonical(name, each))]);
  const filter = Object.fromEntries(parts);
  return [filter, given.length ? canonical("", filter) : void 0];
}
function canonical(place, value) {
  if (Array.isArray(value))
    return `[${value.map((each, n) => canonical(`${place}[${n}]`, each)).join()}]`;
  if (is_object(value) && !value.toJSON) {
    const names = Object.keys(value).sort();
    const member = (name) => `${JSON.stringify(name)}:${canonical(`${place}.${name}`, value[name])}`;
    return `{${names.map(member).join()}}`;
  }
  const text = JSON.stringify(value);
  if (text === void 0 || text === "null" && value !== null)
    throw new SharedStateError("bad_message", `${place}: expected JSON, found ${value}`);
  return text;
}
function view_of(text) {
  if (text === void 0) return void 0;
  let hash = 2166136261;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 16777619);
  return (hash >>> 0).toString(36);
}

// src/api/acquired.js
var AcquiredDatasets = class {
  #make;
  /** @type {Map<string, Acquired>} by path and text of the filter */
  #acquired = /* @__PURE__ */ new Map();
  /** @type {Map<string, Dataset<any>>} by path and name of the view */
  #datasets = /* @__PURE__ */ new Map();
  /** @param {(path: string, filter: FilterOptions) => Dataset<any>} make */
  constructor(make) {
    this.#make = make;
  }
  /** All of them. */
  all() {
    return this.#datasets.values();
  }
  /** @param {{path: string, view: string | undefined}} subscription @returns {Dataset<any> | undefined} */
  of({ path, view }) {
    return this.#datasets.get(key_of(path, view));
  }
  /** @param {string} path in normal form @param {string | undefined} text of the filter */
  find(path, text) {
    return this.#acquired.get(key_of(path, text))?.ds;
  }
  /**
   * Take one more handle.
   *
   * @param {string} path in normal form
   * @param {FilterOptions} filter
   * @param {string | undefined} text of the filter
   * @returns {Acquired}
   */
  acquire(path, filter, text) {
    const key = key_of(path, text);
    const acquired = this.#acquired.get(key) ?? this.#add(key, path, filter, text);
    acquired.handles++;
    return acquired;
  }
  /**
   * Give one handle back.
   *
   * @param {Acquired} acquired
   * @returns {boolean} whether it was the last
   */
  release(acquired) {
    const { key, view, ds } = acquired;
    if (--acquired.handles > 0) return false;
    this.#acquired.delete(key);
    return this.#datasets.delete(key_of(ds.path, view));
  }
  /**
   * @param {string} key
   * @param {string} path
   * @param {FilterOptions} filter
   * @param {string | undefined} text
   * @returns {Acquired}
   */
  #add(key, path, filter, text) {
    let view = view_of(text);
    while (this.of({ path, view })) view += "_";
    const acquired = { ds: this.#make(path, filter), view, key, handles: 0 };
    this.#datasets.set(key_of(path, view), acquired.ds);
    this.#acquired.set(key, acquired);
    return acquired;
  }
};

// src/util/callbacks.js
var Callbacks = class {
  /** @type {Map<object, (value: T) => unknown>} */
  #callbacks = /* @__PURE__ */ new Map();
  #calls;
  /** @param {CallQueue} calls */
  constructor(calls) {
    this.#calls = calls;
  }
  /**
   * @param {(value: T) => unknown} callback
   * @returns {object} handle, to remove it
   */
  add(callback) {
    if (typeof callback !== "function") throw new TypeError("a callback is a function");
    const handle = Object.freeze({});
    this.#callbacks.set(handle, callback);
    return handle;
  }
  /** @param {object} handle */
  remove(handle) {
    this.#callbacks.delete(handle);
  }
  /** @param {T} value passed to the callbacks when due calls are made */
  call(value) {
    for (const handle of this.#callbacks.keys())
      this.#calls.add(() => this.#callbacks.get(handle)?.(value));
  }
};

// src/util/report.js
function report(error) {
  const page = "document" in globalThis || "WorkerGlobalScope" in globalThis;
  if (page && globalThis.reportError) globalThis.reportError(error);
  else console.error(error);
}

// src/util/call_queue.js
var CallQueue = class {
  /** @type {Set<() => unknown>} */
  #due = /* @__PURE__ */ new Set();
  #running = false;
  #on_error;
  /** @param {((error: unknown) => void) | undefined} on_error receives errors that nothing else handles */
  constructor(on_error = report) {
    this.#on_error = on_error;
  }
  /** @param {() => unknown} call made by the next `run`; what it throws is reported */
  add(call) {
    this.#due.add(call);
  }
  /** @param {unknown} error that nothing else handles */
  report = (error) => this.add(() => this.#report(error));
  /** @param {unknown} error */
  #report(error) {
    try {
      this.#on_error(error);
    } catch (thrown) {
      report(error);
      report(thrown);
    }
  }
  /** Make the calls that are due, unless one of them is being made. */
  run() {
    if (this.#running) setTimeout(this.#run);
    else this.#run();
  }
  #run = () => {
    this.#running = true;
    for (const call of this.#due) {
      this.#due.delete(call);
      try {
        call();
      } catch (error) {
        this.#report(error);
      }
    }
    this.#running = false;
  };
};

// src/util/lifetime.js
var DISPOSE = Symbol.dispose ?? /** @type {any} */
/* @__PURE__ */ Symbol.for("Symbol.dispose");
var disposable = (it, end) => (
  /** @type {any} */
  Object.assign(it, { [DISPOSE]: end })
);
function on_abort(signal, end) {
  if (signal?.aborted) end();
  else signal?.addEventListener("abort", end, { once: true });
  return () => signal?.removeEventListener("abort", end);
}

// src/protocol/effects.js
var send_text = (text) => ({ kind: "send_text", text });
var settled = (ticket, error, { data, at, more = false } = {}) => ({
  kind: "settled",
  ticket,
  error,
  data,
  at,
  more
});
var fault = (reason, fatal) => ({
  kind: "fault",
  error: new SharedStateError("bad_message", reason),
  fatal
});

// src/protocol/bounds.js
var bounds_of = (limits) => Object.fromEntries(
  Object.entries(members(limits)).filter(([, most]) => Number.isInteger(most) && most > 0)
);
function message_fault(text, { message_bytes = Infinity }) {
  if (text.length * 3 <= message_bytes || new Blob([text]).size <= message_bytes) return void 0;
  return new SharedStateError("too_large", `the message has more than ${message_bytes} bytes`);
}

// src/protocol/requests.js
var TOO_BIG = 1009;
var WINDOW = 100;
var RESERVED = 4;
var MAX_WAITING_LENGTH = 2 ** 24;
var Requests = class {
  #max_waiting;
  /** Whether there is a connection. */
  connected = false;
  /** Whether nothing is sent until it is known whose the connection is. */
  held = false;
  /** @type {import("./bounds.js").Bounds} what the server takes */
  bounds = {};
  /** @type {readonly unknown[] | undefined} what the server can do beyond level 2; undefined: not known */
  features;
  /** Whether it will say so. */
  #awaited = false;
  #next_tunnel = 0;
  /** @type {Map<unknown, Waiting>} by tunnel */
  sent = /* @__PURE__ */ new Map();
  /** @type {Waiting[]} */
  #waiting = [];
  #waiting_length = 0;
  /** @param {number} max_waiting requests that may wait for a connection */
  constructor(max_waiting) {
    this.#max_waiting = max_waiting;
  }
  /**
   * @param {unknown} ticket
   * @param {"GET" | "PUT"} cmd
   * @param {string} path
   * @param {unknown} arg
   * @returns {Effect[]}
   */
  add(ticket, cmd, path, arg) {
    const tunnel = this.#next_tunnel++;
    let text = "";
    let error;
    try {
      text = encode_request(cmd, path, arg, tunnel);
    } catch (cause) {
      error = new SharedStateError("bad_update", "not JSON", {}, { cause });
    }
    error ??= message_fault(text, this.bounds);
    const full = this.#waiting.length >= this.#max_waiting || this.#waiting_length + text.length > MAX_WAITING_LENGTH;
    if (full && (!this.connected || this.held))
      error ??= new SharedStateError("too_many", "not connected, or not signed in; queue full");
    if (error) return [settled(ticket, error)];
    const asked = cmd === "GET" ? arg : void 0;
    const patches = cmd === "PUT" && /** @type {any} */
    arg?.patch !== void 0;
    this.#waiting.push({ tunnel, ticket, text, asked, patches, age: 0 });
    this.#waiting_length += text.length;
    return this.#fill([]);
  }
  /** Whether something waits that not every server takes as it is meant. */
  get patching() {
    return this.#waiting.some(({ patches }) => patches);
  }
  /**
   * What is known of the connection has changed.
   *
   * @param {{bounds: import("./bounds.js").Bounds, features: readonly unknown[] | undefined, awaited: boolean,
   *   held: boolean, take_refusal(): SharedStateError | undefined}} session
   * @param {Effect[]} out
   */
  adjust(session, out) {
    const refusal = session.take_refusal();
    if (refusal) out.push(...this.#refuse(refusal));
    this.bounds = session.bounds;
    this.features = session.features;
    this.#awaited = session.awaited;
    this.held = session.held;
    this.#fill(out);
  }
  /**
   * @param {Closing} [closing]
   * @returns {Effect[]}
   */
  connection_lost(closing) {
    this.connected = false;
    const lost = [...this.sent.values()];
    this.sent.clear();
    const too_large = closing?.code === TOO_BIG ? longest(lost) : void 0;
    return lost.map(
      (request) => settled(
        request.ticket,
        request === too_large ? new SharedStateError("too_large", `${closing?.reason}`) : new SharedStateError("connection_lost", "connection lost, outcome unknown", {
          outcome: "unknown"
        })
      )
    );
  }
  /**
   * @param {SharedStateError} error for requests that were not sent
   * @returns {Effect[]}
   */
  end(error) {
    return this.connection_lost().concat(this.#refuse(error));
  }
  /** @param {SharedStateError} error for requests that wait @returns {Effect[]} */
  #refuse(error) {
    this.#waiting_length = 0;
    return this.#waiting.splice(0).map(({ ticket }) => settled(ticket, error));
  }
  /**
   * @param {unknown} ticket
   * @returns {boolean}
   */
  withdraw(ticket) {
    const index = this.#waiting.findIndex((waiting) => waiting.ticket === ticket);
    if (index < 0) return false;
    this.#waiting_length -= this.#waiting.splice(index, 1)[0].text.length;
    return true;
  }
  /**
   * @param {Reply} reply ignored if it does not answer a request
   * @param {Effect[]} out
   */
  receive(reply2, out) {
    const request = this.sent.get(reply2.tunnel);
    if (!request) return;
    this.sent.delete(reply2.tunnel);
    let error;
    if (!reply2.ok) error = error_of(reply2);
    else if (!reply2.at) error = filter_fault(request.asked, this.features ?? []);
    out.push(settled(request.ticket, error, reply2));
    if (this.sent.size <= this.#window / 2) this.#fill(out);
  }
  get #window() {
    const { unanswered = Infinity } = this.bounds;
    return Math.max(1, Math.min(WINDOW, unanswered - RESERVED));
  }
  /** @param {Effect[]} out @returns {Effect[]} */
  #fill(out) {
    const room = this.#window - this.sent.size;
    if (!this.connected || this.held || room <= 0) return out;
    const end = this.#awaited ? this.#waiting.findIndex(({ patches }) => patches) : -1;
    for (const request of this.#waiting.splice(0, end < 0 ? room : Math.min(end, room))) {
      const { tunnel, ticket, text, patches } = request;
      this.#waiting_length -= text.length;
      if (patches && this.features && !this.features.includes("patch")) {
        const error = new SharedStateError("failed", "the server knows no patches");
        out.push(settled(ticket, error));
        continue;
      }
      this.sent.set(tunnel, request);
      out.push(send_text(text));
    }
    return out;
  }
};
function longest(requests) {
  const sizes = requests.map(({ text }) => new Blob([text]).size);
  return requests[sizes.indexOf(Math.max(...sizes))];
}
function closed() {
  return new SharedStateError("closed", "the client is closed");
}
function error_of({ data, error }) {
  const code = typeof error.code === "string" ? error.code : "failed";
  const reason = [error.message, data].find((each) => typeof each === "string");
  return new SharedStateError(code, reason ?? "the server refused", error);
}

// src/protocol/session.js
var LATER = ["unavailable", "internal", "too_many"];
var Session = class {
  #key;
  /** @type {Bounds} what the server takes, as far as it has said */
  bounds = {};
  /** @type {readonly unknown[] | undefined} what it can do beyond level 2; undefined: not known on this connection */
  features;
  /** Whether the application's requests wait for a token to be accepted. */
  held = false;
  /** Whether the server has said anything on this connection. */
  heard = false;
  #connected = false;
  #asked = 0;
  /** @type {string | undefined} the tunnel of the latest request */
  #unanswered;
  /** Ticks since it was sent, or refused. */
  #age = 0;
  /** How many of them an answer may take. */
  #limit = Infinity;
  /** @type {string | null | undefined} as shown last */
  #token;
  /** Whether the server has ever answered. */
  #known = false;
  #avoid = false;
  /** Whether another token was asked for since one was accepted. */
  #again = false;
  #gave_up = false;
  /** @type {string | undefined} the id of the user for whom requests wait, as far as known */
  #user;
  /** @type {SharedStateError | undefined} */
  #refusal;
  /** @param {string} [key] its secret name; without one, nothing is said */
  constructor(key) {
    this.#key = key;
  }
  /**
   * Whether the server may yet accept another token than the one that it has refused, or has not answered. Not for
   * longer than an answer may take.
   */
  get undecided() {
    return this.held && this.#age <= this.#limit;
  }
  /** Whether it has yet to say what it can do. */
  get awaited() {
    return !!this.#unanswered && !this.features;
  }
  /**
   * @param {string | null | undefined} token
   * @param {boolean} needed whether a server without sessions would be of no use
   * @param {Effect[]} out
   */
  connection_opened(token, needed, out) {
    this.#connected = true;
    this.heard = this.#again = this.#gave_up = false;
    if (token === null) this.#sign_out();
    const avoid = this.#avoid && token === void 0 && !needed;
    this.#avoid = false;
    this.held = !!this.#key && typeof token === "string";
    this.#token = token;
    this.features = avoid ? [] : void 0;
    if (!avoid) this.#ask(out);
  }
  connection_lost() {
    this.#avoid = !!this.#unanswered && !this.heard && !this.#known;
    this.#unanswered = void 0;
    this.#connected = this.held = false;
  }
  /** @param {string | null} token @param {Effect[]} out */
  sign_in(token, out) {
    this.#token = token;
    if (token === null) this.#sign_out();
    if (this.#connected) this.#ask(out);
    else if (token === null) out.push(identified());
  }
  /**
   * A tick has passed.
   *
   * @param {number} limit
   * @returns {boolean} whether a server that knows sessions owes an answer; any other counts as one that knows none
   */
  tick(limit) {
    this.#limit = limit;
    const late = this.#age++ >= limit && !!this.#unanswered;
    if (late) this.overtaken();
    return late && this.#known;
  }
  /** @param {Effect[]} out */
  #ask(out) {
    if (!this.#key) return;
    this.#age = 0;
    const tunnel = this.#unanswered = `session${this.#asked++}`;
    const arg = { key: this.#key, token: this.#token };
    out.push(send_text(encode_request("PUT", "/session", arg, tunnel)));
  }
  /**
   * The server has answered what was asked later: it knows no sessions, if it has not answered.
   *
   * @returns {boolean} whether that is news
   */
  overtaken() {
    if (!this.#unanswered || this.#known || this.features) return false;
    this.features = [];
    if (this.held) this.#unanswered = void 0;
    this.held = false;
    return true;
  }
  /**
   * @param {Reply} reply
   * @param {Effect[]} out
   * @returns {boolean} whether it is the answer: no later one counts
   */
  answered(reply2, out) {
    const { ok, tunnel, error } = reply2;
    if (tunnel !== this.#unanswered) {
      const is_earlier = /^session/.test(
        /** @type {string} */
        tunnel
      );
      if (is_earlier && (ok || error.code === "unauthenticated")) this.#known = true;
      return false;
    }
    if (!tunnel) return false;
    this.#unanswered = void 0;
    if (reply2.ok) this.#accepted(members(reply2.data), out);
    else this.#refused(reply2, out);
    return true;
  }
  #sign_out() {
    if (this.#user || this.held) this.#refusal = gone();
    this.#user = void 0;
    this.held = false;
  }
  /** Why what waits is refused, if it is: told once. */
  take_refusal() {
    const refusal = this.#refusal;
    this.#refusal = void 0;
    return refusal;
  }
  /** @param {Record<string, any>} data @param {Effect[]} out */
  #accepted({ limits, features, user, expires }, out) {
    this.#known = true;
    const id = user_of(user)?.id;
    if (id && this.#user && id !== this.#user) this.#refusal = gone();
    this.#user = id ?? this.#user;
    this.#again = this.#gave_up = this.held = false;
    this.bounds = bounds_of(limits);
    this.features = Array.isArray(features) ? features : [];
    out.push(identified(user, expires));
  }
  /** @param {Reply} reply @param {Effect[]} out */
  #refused(reply2, out) {
    const error = error_of(reply2);
    const { code } = error;
    const { reason } = reply2.error;
    const later = LATER.includes(code);
    if (typeof this.#token !== "string" || !(later || code === "unauthenticated")) {
      this.held = this.#known = false;
      this.bounds = {};
      this.features = [];
      out.push(identified());
      return;
    }
    this.#known = true;
    this.#age = 0;
    if (later || reason === "unavailable") {
      out.push(token_wanted("unavailable"));
    } else if (this.#again || reason === "revoked") {
      this.#gave_up = true;
      if (this.held) {
        this.held = false;
        this.#refusal = error;
        out.push(identified());
      }
      out.push({ kind: "unauthenticated", error });
    } else {
      this.#again = true;
      out.push(token_wanted(typeof reason === "string" ? reason : "invalid"));
    }
  }
  /** @param {Told} message @param {Effect[]} out */
  told({ user, expires, reason }, out) {
    if (!this.#connected) return;
    out.push(identified(user, expires));
    const over = reason === "expired";
    if (over && this.#gave_up) this.#sign_out();
    if (typeof this.#token !== "string" || this.#gave_up) return;
    if (over) this.held = true;
    if ((over || reason === "expires") && !this.#unanswered) out.push(token_wanted(reason));
  }
};
var token_wanted = (reason) => ({ kind: "token_wanted", reason });
var user_of = (user) => typeof user?.id === "string" ? user : null;
var gone = () => new SharedStateError("unauthenticated", "its user has signed out", { reason: "missing" });
var identified = (user, expires) => ({
  kind: "identified",
  user: user_of(user),
  expires: typeof expires === "number" ? expires : null
});
var REFRESH = 60;
function refresh_after(expires, now) {
  const life = Math.max(0, expires - now);
  return life - Math.min(REFRESH, life / 4);
}

// src/api/sign_in.js
var MAX_PAUSE = 2 ** 31 - 1;
var SignIn = class {
  #source;
  #shower;
  /** Whether nobody is signed in from now on, by choice. */
  stopped = false;
  /** @type {Promise<Token> | undefined} while the function is asked */
  #asked;
  /** @type {Promise<Token> | undefined} what it answers for the present attempt */
  #next;
  /** @type {object | undefined} the present connection or attempt */
  #connection;
  #open = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} until another token is asked for */
  #timer;
  /** @type {object | undefined} what the timer is for */
  #term;
  #failures = 0;
  /** Whether the server knows a user, and nothing is the matter with the token. */
  #accepted = false;
  /** @param {string | TokenFunction | undefined} source @param {Shower} shower */
  constructor(source, shower) {
    this.#source = source;
    this.#shower = shower;
  }
  /** An attempt to connect begins. */
  attempt() {
    this.lost();
    this.#connection = {};
    this.#next = void 0;
    if (typeof this.#source !== "function" || this.stopped) return;
    this.#next = this.#ask("connect");
    this.#next.catch(() => {
    });
  }
  /** It has led to a connection, which begins once there is a token. */
  opened() {
    this.#open = true;
    if (this.stopped) this.#shower.show(null);
    else if (typeof this.#source !== "function") this.#shower.show(this.#source);
    else this.#show(this.#next ?? this.#ask("connect"));
  }
  /** The connection is gone. */
  lost() {
    this.#connection = void 0;
    this.#open = false;
    this.#rest();
  }
  /** Nobody is signed in from now on. */
  stop() {
    this.stopped = true;
    this.#rest();
  }
  /** Ask again, whatever came of it before, unless somebody is signed in. */
  resume() {
    if (this.#accepted) return;
    this.stopped = false;
    if (this.#open) this.wanted("connect");
  }
  /**
   * The connection needs another token.
   *
   * @param {string} reason
   */
  wanted(reason) {
    this.#rest();
    if (this.stopped || this.#source === void 0) return;
    if (reason === "unavailable") this.#after(backoff(this.#failures++), reason);
    else this.#show(this.#ask(reason));
  }
  /**
   * The server has said whose the connection is.
   *
   * @param {unknown} user null for nobody
   * @param {number | null} expires by the server's clock
   */
  accepted(user, expires) {
    this.#rest();
    this.#accepted = user !== null;
    this.#failures = 0;
    if (expires === null || typeof this.#source !== "function" || this.stopped) return;
    const term = this.#term = {};
    this.#shower.time().then(
      (now) => {
        if (term !== this.#term || typeof now !== "number") return;
        this.#after(Math.max(1, refresh_after(expires, now)) * 1e3, "expires");
      },
      () => {
      }
    );
  }
  #rest() {
    clearTimeout(this.#timer);
    this.#term = void 0;
    this.#accepted = false;
  }
  /** @param {number} pause in milliseconds @param {string} reason */
  #after(pause2, reason) {
    if (pause2 > MAX_PAUSE) return;
    this.#timer = setTimeout(() => this.#show(this.#ask(reason)), pause2);
    this.#timer.unref?.();
  }
  /** @param {Promise<Token>} asked */
  #show(asked) {
    const connection = this.#connection;
    const mine = () => connection && connection === this.#connection;
    asked.then(
      (token) => mine() && this.#shower.show(this.stopped ? null : token),
      (error) => {
        if (!mine()) return;
        if (error instanceof Unauthorized || this.stopped) {
          this.stopped = true;
          this.#shower.none();
        } else {
          this.#shower.failed(error);
        }
      }
    );
  }
  /** @param {string} reason @returns {Promise<Token>} */
  #ask(reason) {
    return this.#asked ??= this.#call(reason).finally(() => this.#asked = void 0);
  }
  /** @param {string} reason @returns {Promise<Token>} */
  async #call(reason) {
    const source = this.#source;
    const token = typeof source === "function" ? await source({ reason }) : source;
    if (typeof token === "string" || token == null) return token ?? null;
    throw new SharedStateError("bad_option", "token: expected a string or null");
  }
};

// src/protocol/replica.js
var END = [Infinity, 0];
var Replica = class {
  /** @type {Map<string, Item>} items by id, in order */
  items = /* @__PURE__ */ new Map();
  /** @type {string | undefined} epoch of the state held; undefined: not known (level 1, or never in sync) */
  epoch;
  /** @type {number | undefined} version of the state held */
  version;
  /** @type {string | undefined} what the user may see, of which this is a part: the server's name for it */
  scope;
  /** @type {Replica | undefined} another one, whose objects the next snapshot takes for items that are the same */
  kin;
  /** @type {Map<string, At>} by id */
  #places = /* @__PURE__ */ new Map();
  /** @type {At} no place is behind this one */
  #end = [-Infinity, 0];
  /** @returns {At | undefined} the place of the first item */
  get before() {
    const [id] = this.items.keys();
    return this.#places.get(id);
  }
  /**
   * Apply an update as one step.
   *
   * @param {Update} update
   * @returns {Diff[]} one for each id that the update touched. A reset gives the net difference: an unchanged item
   *   has no diff, unless it has moved behind one that it preceded. Empty if nothing changed.
   */
  apply(update) {
    return update.reset ? this.#replace(update) : this.#edit(update);
  }
  /**
   * @param {Update} update
   * @returns {Diff[]}
   */
  #replace({ insert, at }) {
    const before = this.items;
    const kin = this.kin?.items;
    this.kin = void 0;
    this.items = /* @__PURE__ */ new Map();
    this.#places.clear();
    this.#end = [-Infinity, 0];
    this.#set(insert, at);
    const after = this.items;
    const places = /* @__PURE__ */ new Map();
    const diffs = [];
    for (const [id, old] of before) {
      places.set(id, places.size);
      if (!after.has(id)) diffs.push({ id, new: void 0, old });
    }
    let last = 0;
    for (const [id, item] of after) {
      let now = item;
      const old = before.get(id);
      const known = old ?? kin?.get(id);
      if (known !== void 0 && same(known, item)) after.set(id, now = known);
      const place = places.get(id) ?? last;
      if (now !== old || place < last) diffs.push(
        /** @type {Diff} */
        { id, new: now, old }
      );
      last = Math.max(last, place);
    }
    return diffs;
  }
  /**
   * @param {Update} update
   * @returns {Diff[]}
   */
  #edit({ remove, insert, at }) {
    const before = this.items;
    const touched = /* @__PURE__ */ new Map();
    const touch = (id) => touched.has(id) || touched.set(id, before.get(id));
    for (const id of remove) {
      touch(id);
      before.delete(id);
      this.#places.delete(id);
    }
    for (const { id } of insert) touch(id);
    this.#set(insert, at);
    const diffs = [];
    for (const [id, old] of touched) {
      const item = this.items.get(id);
      if (item ?? old) diffs.push(
        /** @type {Diff} */
        { id, new: item, old }
      );
    }
    return diffs;
  }
  /**
   * Set items, each at its place; however many do not go to the end, all are put in order once.
   *
   * @param {Item[]} insert
   * @param {At[]} [at]
   */
  #set(insert, at) {
    const { items } = this;
    const places = this.#places;
    let ordered = true;
    insert.forEach((item, n) => {
      const { id } = item;
      const place = at?.[n];
      if (place && compare(place, places.get(id) ?? END)) {
        items.delete(id);
        places.set(id, place);
        if (compare(place, this.#end) < 0) ordered = false;
        else this.#end = place;
      }
      items.set(id, item);
    });
    const place_of = ([id]) => places.get(id) ?? END;
    if (!ordered)
      this.items = new Map([...items].sort((a, b) => compare(place_of(a), place_of(b))));
  }
};
function same(a, b) {
  try {
    return deep_same(a, b);
  } catch {
    return false;
  }
}
function deep_same(a, b) {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && deep_same(a[key], b[key]));
}

// src/protocol/paths.js
function normal_path(path) {
  if (typeof path !== "string") throw new SharedStateError("bad_path", "path: expected a string");
  return "/" + path.split("/").filter(Boolean).join("/");
}
var COLLECTION = /^(\/(?!\.\.?(\/|$))[^/\p{Cc}\p{Cs}]{1,128}){3}$/u;
function collection_path(path) {
  const normal = normal_path(path);
  if (!COLLECTION.test(normal))
    throw new SharedStateError("bad_path", `${path}: expected /app/service/collection`);
  return normal;
}

// src/protocol/subscription.js
var MAX_SNAPSHOT = 2 ** 28;
var Subscription = class {
  /** @type {"idle" | "asked" | "subscribed" | "refused"} */
  state = "idle";
  /** @type {unknown} tunnel of the last request for it */
  tunnel;
  /** @type {object | undefined} what was asked for */
  sub;
  /** @type {"nothing" | "change" | "snapshot"} what was requested and has not arrived yet */
  awaited = "snapshot";
  /** @type {Notification | undefined} the parts that have arrived, joined */
  #parts;
  #max_snapshot;
  /** @type {SharedStateError | undefined} why it was refused, or ended, if for the sake of who asked */
  denial;
  /**
   * @param {string} path
   * @param {Replica} replica
   * @param {Filter} filter
   * @param {number} max_snapshot
   */
  constructor(path, replica, filter, max_snapshot) {
    this.path = path;
    this.replica = replica;
    this.filter = filter;
    this.view = filter.view;
    this.#max_snapshot = max_snapshot;
  }
  /**
   * Note that it is asked for.
   *
   * @param {boolean} resume whether changes since the version held are enough
   */
  ask(resume) {
    const { epoch, version: version2, scope } = this.replica;
    this.state = "asked";
    this.denial = this.#parts = void 0;
    const known = resume && epoch !== void 0 && version2 !== void 0;
    this.awaited = known ? "change" : "snapshot";
    this.sub = {
      since: known ? { epoch, version: version2, scope } : void 0,
      parts: true,
      ...this.filter
    };
  }
  /** Whether the server keeps it, or was asked to. */
  get in_force() {
    return this.state === "asked" || this.state === "subscribed";
  }
  /**
   * @param {SharedStateError} error
   * @param {Effect[]} out
   * @param {boolean} [ended] whether the server has ended it
   */
  refuse(error, out, ended) {
    this.state = "refused";
    if (ended || error.code === "unauthenticated" || error.code === "forbidden") {
      this.denial = error;
      this.forget(out);
    }
    const { path, view } = this;
    out.push({ kind: "refused", path, view, error });
  }
  /**
   * Keep what is held until it is decided who the user is.
   *
   * @param {SharedStateError} error why nobody may read it
   */
  wait(error) {
    this.state = "idle";
    this.denial = error;
  }
  /**
   * Hold nothing any more, at no state.
   *
   * @param {Effect[]} out
   */
  forget(out) {
    this.#change({ update: { remove: [], insert: [], reset: true } }, out);
    this.#parts = void 0;
  }
  /**
   * @param {Notification} next
   * @param {Effect[]} out
   * @returns {"gap" | "too_large" | undefined} what is the matter with it; else it was applied, ignored, or is kept
   *   until the remaining parts arrive
   */
  receive(next, out) {
    if (!this.in_force) return void 0;
    const parts = this.#parts;
    this.#parts = void 0;
    const continues = parts && parts.epoch === next.epoch && parts.version === next.version;
    if (!continues && !this.#acceptable(next))
      return this.state === "subscribed" ? "gap" : void 0;
    const whole = continues ? join(parts, next) : next;
    if (!next.more) {
      this.#apply(whole, out);
    } else {
      if (whole.size > this.#max_snapshot) return "too_large";
      this.#parts = whole;
    }
    return void 0;
  }
  /**
   * @param {Notification} next
   * @returns {boolean}
   */
  #acceptable({ update, epoch, base }) {
    if (update.reset) return true;
    if (base === void 0) return this.state === "subscribed";
    return epoch === this.replica.epoch && base === this.replica.version;
  }
  /** @param {Notification} whole @param {Effect[]} out */
  #apply(whole, out) {
    const { path, view, awaited } = this;
    const has_changed = this.#change(whole, out);
    this.awaited = "nothing";
    if (awaited !== "nothing") out.push({ kind: "synced", path, view });
    else if (!has_changed) out.push({ kind: "moved", path, view });
  }
  /**
   * @param {{update: Update, epoch?: string, version?: number, scope?: string}} to what is held next
   * @param {Effect[]} out
   * @returns {boolean} whether that changed an item
   */
  #change({ update, epoch, version: version2, scope }, out) {
    const { path, view, replica } = this;
    const diffs = replica.apply(update);
    Object.assign(replica, { epoch, version: version2, scope });
    if (diffs.length === 0) return false;
    out.push({ kind: "changed", path, view, diffs });
    return true;
  }
};
function join(first, next) {
  for (
    const name of
    /** @type {const} */
    ["remove", "insert", "at"]
  )
    for (const each of next.update[name] ?? []) first.update[name]?.push(
      /** @type {any} */
      each
    );
  first.size += next.size;
  first.scope = next.scope;
  return first;
}

// src/protocol/subs_requests.js
var SubsRequests = class {
  /**
   * The protocol level that the server has shown. Until it is 2, the server may know only whole lists of subscriptions.
   * @type {1 | 2 | undefined}
   */
  level;
  /**
   * Requests without an answer: what they name, and ticks since. By tunnel.
   * @type {Map<unknown, {named: Subscription[], age: number}>}
   */
  unanswered = /* @__PURE__ */ new Map();
  #asked = 0;
  /**
   * Change the server's list of subscriptions.
   *
   * @param {Subscription[]} named now in force
   * @param {unknown[] | undefined} remove those no longer in force
   * @param {() => Subscription[]} all
   * @param {Effect[]} out
   */
  send(named, remove, all, out) {
    const tunnel = `subs${this.#asked++}`;
    for (const each of named) each.tunnel = tunnel;
    const whole = this.level !== 2;
    if (whole) named = all().filter((each) => each.in_force);
    this.unanswered.set(tunnel, { named, age: 0 });
    const insert = named.map(({ path, sub }) => [path, sub]);
    const arg = whole ? { insert, reset: true } : { insert: remove ? void 0 : insert, remove, brief: true };
    out.push(send_text(encode_request("PUT", "/subs", arg, tunnel)));
  }
  /**
   * Take an answer: it lists what the request named and is subscribed now. More may be in the list, from a server that
   * does not know `brief`.
   *
   * @param {Reply} reply
   * @returns {Verdict[] | undefined} undefined: it answers something else
   */
  answered(reply2) {
    const request = this.unanswered.get(reply2.tunnel);
    if (!request) return void 0;
    this.unanswered.delete(reply2.tunnel);
    const accepted = by_key(reply2.data, ([, sub]) => members(sub).view);
    const errors = by_key(reply2.errors, ([, , view]) => view);
    return request.named.map((subscription) => {
      const { path, view, state, tunnel } = subscription;
      const key = key_of(path, view);
      const asked = state === "asked" && tunnel === reply2.tunnel;
      const listed = accepted.has(key) || !Array.isArray(reply2.data);
      if (reply2.ok && listed) return { subscription, asked, error: void 0 };
      const error = members(errors.get(key) ?? { code: "refused" });
      const said = reply2.ok ? { data: `${path}: not subscribed`, error } : reply2;
      return { subscription, asked, error: error_of(said) };
    });
  }
};

// src/protocol/subscriptions.js
var Subscriptions = class {
  requests = new SubsRequests();
  /** Paths that the server takes at most, as it has said. */
  #most = Infinity;
  /** Whether some wait because there are more. */
  #full = false;
  /** @type {readonly unknown[] | undefined} what the server can do beyond level 2; undefined: not known */
  #features;
  #connected = false;
  /** @type {Map<string, Subscription>} */
  #by_key = /* @__PURE__ */ new Map();
  #max_snapshot;
  /** @param {number} max_snapshot characters of JSON text that the parts of one snapshot may have */
  constructor(max_snapshot) {
    this.#max_snapshot = max_snapshot;
  }
  /** @param {Effect[]} out */
  connection_opened(out) {
    this.#connected = true;
    this.#features = void 0;
    this.#subscribe(this.#all(), true, out);
  }
  connection_lost() {
    this.#connected = false;
    this.requests.unanswered.clear();
    for (const each of this.#all()) each.state = "idle";
  }
  /**
   * Keep a replica in sync with a collection; if it is already held, ask for it again only if it was refused.
   *
   * @param {string} path normalised
   * @param {Replica} replica
   * @param {Filter} filter
   * @param {Effect[]} out
   */
  acquire(path, replica, filter, out) {
    const key = key_of(path, filter.view);
    let subscription = this.#by_key.get(key);
    if (subscription?.in_force) return;
    subscription ??= new Subscription(path, replica, filter, this.#max_snapshot);
    this.#by_key.set(key, subscription);
    this.#subscribe([subscription], true, out);
  }
  /** @param {string} path normalised @param {string | undefined} view @param {Effect[]} out */
  release(path, view, out) {
    const key = key_of(path, view);
    const subscription = this.#by_key.get(key);
    if (!subscription) return;
    this.#by_key.delete(key);
    this.#unsubscribe(subscription, out);
    this.#use_room(out);
  }
  /**
   * Ask for so many paths at a time, and for nothing but what the server can do, as it has said.
   *
   * @param {{bounds: import("./bounds.js").Bounds, features: readonly unknown[] | undefined}} session
   * @param {Effect[]} out
   */
  adjust({ bounds, features }, out) {
    this.#most = bounds.subscriptions ?? Infinity;
    if (features !== this.#features) this.#limit(features, out);
    this.#use_room(out);
  }
  /**
   * Do without what the server cannot filter.
   *
   * @param {readonly unknown[] | undefined} features
   * @param {Effect[]} out
   */
  #limit(features, out) {
    this.#features = features;
    const kept = /* @__PURE__ */ new Set();
    const given_up = this.#all().filter(({ path, filter, in_force }) => {
      const fault2 = filter_fault(filter, features);
      if (in_force && !fault2) kept.add(path);
      return in_force && fault2;
    });
    for (const each of given_up) each.state = "idle";
    const paths = new Set(given_up.map(({ path }) => path).filter((path) => !kept.has(path)));
    if (paths.size) this.#change([], [...paths], out);
    this.#refuse_unknown(given_up, out);
  }
  /**
   * Ask again for what the former user was denied.
   *
   * @param {Effect[]} out
   */
  user_changed(out) {
    const denied = this.#all().filter((each) => each.denial);
    this.#subscribe(denied, true, out);
  }
  /**
   * There is no user: let go what was kept until that was decided.
   *
   * @param {Effect[]} out
   */
  let_go(out) {
    for (const each of this.#all())
      if (each.denial && each.state === "idle") each.refuse(each.denial, out);
  }
  /**
   * @param {Notification} notification
   * @param {Effect[]} out
   * @returns {boolean} false if there is a gap before it
   */
  notified(notification2, out) {
    const { path, view, epoch } = notification2;
    this.requests.level = epoch === void 0 ? 1 : 2;
    const subscription = this.#by_key.get(key_of(path, view));
    if (!subscription) return true;
    const trouble = subscription.receive(notification2, out);
    if (trouble === "too_large")
      this.#give_up(
        subscription,
        new SharedStateError(trouble, "its parts exceed max_snapshot"),
        out
      );
    return trouble !== "gap";
  }
  /**
   * The server has ended a subscription.
   *
   * @param {End} message
   * @param {Effect[]} out
   */
  ended({ path, view, error }, out) {
    const subscription = this.#by_key.get(key_of(path, view));
    if (subscription?.state === "asked") subscription.forget(out);
    if (subscription?.state !== "subscribed") return;
    subscription.refuse(error_of({ data: `${path}: ended by the server`, error }), out, true);
    this.#use_room(out);
  }
  /**
   * Subscribe anew, if subscribed, because something was missed; in two requests, because a server may consider a path
   * that one request removes and inserts as subscribed already, and send nothing.
   *
   * @param {unknown} path
   * @param {unknown} view
   * @param {string | undefined} epoch of what revealed it; undefined: as held
   * @param {Effect[]} out
   */
  missed(path, view, epoch, out) {
    const subscription = this.#by_key.get(key_of(path, view));
    if (subscription?.state !== "subscribed") return;
    const { awaited, replica } = subscription;
    if (awaited === "snapshot")
      return this.#give_up(
        subscription,
        new SharedStateError("bad_message", "the server sent no snapshot"),
        out
      );
    const resume = awaited === "nothing" && (epoch ?? replica.epoch) === replica.epoch;
    this.#unsubscribe(subscription, out);
    this.#subscribe([subscription], resume, out);
  }
  /**
   * @param {Reply} reply
   * @param {boolean} undecided whether it may still turn out who the user is
   * @param {Effect[]} out
   */
  answered(reply2, undecided, out) {
    const verdicts = this.requests.answered(reply2);
    if (!verdicts) return;
    for (const { subscription, asked, error } of verdicts) {
      if (!error) {
        if (asked) subscription.state = "subscribed";
      } else if (asked || reply2.ok && subscription.state === "subscribed") {
        if (undecided && error.code === "unauthenticated") subscription.wait(error);
        else subscription.refuse(error, out);
      }
    }
    this.#use_room(out);
  }
  #all() {
    return [...this.#by_key.values()];
  }
  /** Whether any is only a part of its collection. */
  get filtered() {
    return this.#all().some(({ filter }) => is_filtered(filter));
  }
  /**
   * Ask for paths that wait, if there may be room for them.
   *
   * @param {Effect[]} out
   */
  #use_room(out) {
    if (!this.#full) return;
    this.#full = false;
    const waiting = this.#all().filter(({ state, denial }) => state === "idle" && !denial);
    this.#subscribe(waiting, true, out);
  }
  /**
   * @param {Subscription[]} subscriptions
   * @param {Effect[]} out
   * @returns {Subscription[]} without those that are refused because the server cannot filter them
   */
  #refuse_unknown(subscriptions, out) {
    return subscriptions.filter((each) => {
      const fault2 = filter_fault(each.filter, this.#features);
      if (fault2) each.refuse(fault2, out);
      return !fault2;
    });
  }
  /**
   * @param {Subscription[]} subscriptions
   * @param {boolean} resume
   * @param {Effect[]} out
   */
  #subscribe(subscriptions, resume, out) {
    subscriptions = this.#refuse_unknown(subscriptions, out);
    if (this.#by_key.size > this.#most) {
      this.#full = true;
      const taken = this.#all().filter((each) => each.in_force).length;
      for (const each of subscriptions.splice(Math.max(0, this.#most - taken))) each.state = "idle";
    }
    if (!this.#connected || subscriptions.length === 0) return;
    for (const each of subscriptions) each.ask(resume);
    this.#change(subscriptions, void 0, out);
  }
  /** @param {Subscription} subscription @param {Effect[]} out */
  #unsubscribe(subscription, out) {
    const { path, view, filter } = subscription;
    subscription.state = "idle";
    if (this.#connected && !filter_fault(filter, this.#features))
      this.#change([], [view === void 0 ? path : [path, view]], out);
  }
  /**
   * @param {Subscription[]} named now in force
   * @param {unknown[] | undefined} remove those no longer in force
   * @param {Effect[]} out
   */
  #change(named, remove, out) {
    this.requests.send(named, remove, () => this.#all(), out);
  }
  /**
   * Do without a subscription until it is asked for again.
   *
   * @param {Subscription} subscription
   * @param {SharedStateError} error
   * @param {Effect[]} out
   */
  #give_up(subscription, error, out) {
    this.#unsubscribe(subscription, out);
    subscription.refuse(error, out);
  }
};

// src/protocol/client_protocol.js
var MAX_QUEUE = 1e3;
var MAX_BREACHES = 10;
var ClientProtocol = class {
  #closed = false;
  #requests;
  #session;
  #subscriptions;
  /** Breaches of the protocol on this connection. */
  #breaches = 0;
  /**
   * @param {{max_queue?: number, max_snapshot?: number, key?: string}} [options] `max_queue`: requests that may wait for a
   *   connection; `max_snapshot`: characters of JSON text that the parts of one snapshot may have; `key`: the
   *   secret name of the client's session, without which it keeps to no limits of the server and shows no token
   */
  constructor({ max_queue = MAX_QUEUE, max_snapshot = MAX_SNAPSHOT, key } = {}) {
    this.#session = new Session(key);
    this.#requests = new Requests(max_queue);
    this.#subscriptions = new Subscriptions(max_snapshot);
  }
  /**
   * @param {string | null} [token] shows whose it is, null: nobody's; without it, nothing is said about that
   * @returns {Effect[]}
   */
  connection_opened(token) {
    const out = [];
    this.#breaches = 0;
    const needed = this.#subscriptions.filtered || this.#requests.patching;
    this.#session.connection_opened(token, needed, out);
    this.#subscriptions.connection_opened(out);
    this.#requests.connected = true;
    this.#requests.adjust(this.#session, out);
    return out;
  }
  /**
   * Show another token on this connection; null signs out. The next connection begins with its own.
   *
   * @param {string | null} token
   * @returns {Effect[]}
   */
  sign_in(token) {
    const out = [];
    if (this.#closed) return out;
    this.#session.sign_in(token, out);
    return this.#keep(out);
  }
  /**
   * @param {import("./requests.js").Closing} [closing]
   * @returns {Effect[]}
   */
  connection_lost(closing) {
    this.#session.connection_lost();
    this.#subscriptions.connection_lost();
    return this.#requests.connection_lost(closing);
  }
  /**
   * Close for good: pending requests are settled, later ones refused.
   *
   * @returns {Effect[]}
   */
  close() {
    this.#closed = true;
    this.#subscriptions.connection_lost();
    return this.#requests.end(closed());
  }
  /**
   * Attempts to connect have ended for now: waiting requests are refused, later ones wait again.
   *
   * @param {SharedStateError} error
   * @returns {Effect[]}
   */
  give_up(error) {
    return this.#requests.end(error);
  }
  /**
   * Some time has passed: look for what waits for an answer in vain. To be called at regular intervals.
   *
   * @param {number} limit intervals within which an answer has to come
   * @returns {Effect[]}
   */
  tick(limit) {
    const late = (each) => each.age++ >= limit;
    const unanswered = [this.#requests.sent, this.#subscriptions.requests.unanswered];
    return this.#session.tick(limit) || unanswered.some((map) => [...map.values()].some(late)) ? [fault("no answer in time", true)] : this.#keep([]);
  }
  /**
   * Check that the server is alive: any answer will do.
   *
   * @returns {Effect[]}
   */
  probe() {
    return this.#requests.connected ? [send_text(encode_request("GET", "/clock", void 0, "probe"))] : [];
  }
  /**
   * @param {unknown} ticket returned by the `settled` effect of this request
   * @param {"GET" | "PUT"} cmd
   * @param {string} path
   * @param {unknown} [arg]
   * @returns {Effect[]}
   */
  request(ticket, cmd, path, arg) {
    if (this.#closed) return [settled(ticket, closed())];
    if (this.#subscriptions.requests.level === 1 && /** @type {any} */
    arg?.if)
      return [settled(ticket, new SharedStateError("failed", "the server knows no conditions"))];
    const fault2 = filter_fault(arg, this.#session.features);
    if (fault2) return [settled(ticket, fault2)];
    return this.#requests.add(ticket, cmd, path, arg);
  }
  /**
   * Withdraw a request that has not been sent yet.
   *
   * @param {unknown} ticket
   * @returns {boolean} true if it will never be sent; otherwise it takes its course
   */
  withdraw(ticket) {
    return this.#requests.withdraw(ticket);
  }
  /**
   * Keep a replica in sync with a collection, or a part of it. Called again for a path and view, it has an effect only
   * if the server had refused, which is then asked again.
   *
   * @param {string} path normalised
   * @param {Replica} replica
   * @param {Filter} [filter]
   * @returns {Effect[]}
   */
  acquire(path, replica, filter = {}) {
    const out = [];
    this.#subscriptions.acquire(path, replica, filter, out);
    return out;
  }
  /**
   * @param {string} path normalised
   * @param {string} [view]
   * @returns {Effect[]}
   */
  release(path, view) {
    const out = [];
    this.#subscriptions.release(path, view, out);
    return out;
  }
  /**
   * @param {string} text one text frame
   * @returns {Effect[]}
   */
  receive_text(text) {
    const out = [];
    this.#session.heard = true;
    const message = decode(text);
    switch (message?.kind) {
      case "notification":
        if (!this.#subscriptions.notified(message, out)) this.#breach(message, out);
        break;
      case "reply":
        this.#replied(message, out);
        break;
      case "session":
        this.#session.told(message, out);
        this.#keep(out);
        break;
      case "end":
        this.#subscriptions.ended(message, out);
        break;
      case "malformed":
        this.#breach(message, out);
    }
    return out;
  }
  /** @param {Reply} reply @param {Effect[]} out */
  #replied(reply2, out) {
    const { tunnel, ok, error } = reply2;
    const session = this.#session;
    const subscriptions = this.#subscriptions;
    if (error.epoch) subscriptions.requests.level = 2;
    if (session.answered(reply2, out)) {
      if (ok) subscriptions.user_changed(out);
      this.#keep(out);
      return;
    }
    const is_own = subscriptions.requests.unanswered.has(tunnel) || this.#requests.sent.has(tunnel);
    if ((is_own || !ok && tunnel == null) && session.overtaken()) this.#keep(out);
    subscriptions.answered(reply2, session.undecided, out);
    this.#requests.receive(reply2, out);
  }
  /**
   * Go on as far as it is known whose the connection is, and what the server takes.
   *
   * @param {Effect[]} out
   * @returns {Effect[]} with what follows
   */
  #keep(out) {
    const session = this.#session;
    if (!session.undecided) this.#subscriptions.let_go(out);
    this.#subscriptions.adjust(session, out);
    this.#requests.adjust(session, out);
    return out;
  }
  /**
   * The server broke the protocol: a message cannot be read, or does not follow. Mend it, up to `MAX_BREACHES` times,
   * by subscribing anew.
   *
   * @param {{path: unknown, view?: unknown, epoch?: string, reason?: string}} message without a reason, it does not follow: that is
   *   no news for the application
   * @param {Effect[]} out
   */
  #breach({ path, view, epoch, reason }, out) {
    const fatal = ++this.#breaches > MAX_BREACHES || typeof path !== "string" || typeof (view ?? "") !== "string";
    if (reason || fatal) out.push(fault(`bad message: ${reason ?? "gaps"}`, fatal));
    if (!fatal) this.#subscriptions.missed(path, view, epoch, out);
  }
};

// src/net/connector.js
var GOODBYE = 1e3;
var MAX_TICK = 2 ** 31 - 1;
var Connector = class {
  #url;
  #WebSocket;
  #listener;
  #retries;
  /** Milliseconds between ticks of the watchdog: after two silent ticks it probes, after three it hangs up. */
  #tick;
  /** Ticks within which an answer has to come. */
  #patience;
  /** @type {WebSocketLike | undefined} the present connection or attempt */
  #socket;
  /** @type {ReturnType<typeof setTimeout> | undefined} running between two attempts */
  #timer;
  /** @type {number | undefined} time of the next attempt, in milliseconds since the Unix epoch */
  next_attempt;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #watchdog;
  #silence = 0;
  #failures = 0;
  #heard = false;
  /** @type {number | undefined} when the connection was opened, in milliseconds since the Unix epoch */
  #opened;
  /**
   * @param {string} url
   * @param {WebSocketClass} WebSocket
   * @param {Listener} listener
   * @param {{retries?: number, timeout?: number, answer_timeout?: number}} options
   */
  constructor(url, WebSocket, listener, { retries = Infinity, timeout = 30, answer_timeout = 120 }) {
    this.#url = url;
    this.#WebSocket = WebSocket;
    this.#listener = listener;
    this.#retries = retries;
    this.#tick = timeout * 1e3 / 3;
    this.#patience = 3 * answer_timeout / timeout;
  }
  /**
   * Start the first attempt.
   *
   * @throws what the WebSocket constructor throws for a URL that can never work; then nothing is started
   */
  start() {
    this.#open();
    this.#watch();
    globalThis.addEventListener?.("online", this.#wake);
    globalThis.document?.addEventListener("visibilitychange", this.#visibility_changed);
  }
  /** @param {string} text */
  send(text) {
    try {
      this.#socket?.send(text);
    } catch (error) {
      this.#listener.report(error);
      this.#socket?.close();
    }
  }
  close() {
    globalThis.removeEventListener?.("online", this.#wake);
    globalThis.document?.removeEventListener("visibilitychange", this.#visibility_changed);
    clearInterval(this.#watchdog);
    clearTimeout(this.#timer);
    this.next_attempt = void 0;
    this.#hang_up();
  }
  /** Take the connection for dead. */
  drop() {
    this.#hang_up();
    this.#lost();
  }
  #hang_up() {
    const socket = this.#socket;
    if (!socket) return;
    this.#socket = void 0;
    socket.close(1e3);
    setTimeout(() => (
      /** @type {any} */
      socket.terminate?.()
    ), GOODBYE).unref?.();
  }
  /**
   * Make the next attempt at once if it is pending.
   *
   * @returns {number | undefined} when it would have been
   */
  retry() {
    const paused = this.next_attempt;
    if (paused) {
      clearTimeout(this.#timer);
      try {
        this.#open();
      } catch (error) {
        this.#listener.report(error);
        this.#lost();
      }
    }
    return paused;
  }
  #open() {
    this.next_attempt = this.#opened = void 0;
    const socket = new this.#WebSocket(this.#url);
    this.#socket = socket;
    this.#listener.attempt();
    this.#silence = 0;
    socket.onopen = () => {
      if (socket !== this.#socket) return;
      this.#opened = Date.now();
      this.#listener.opened();
    };
    socket.onmessage = ({ data }) => {
      if (socket !== this.#socket) return;
      this.#silence = 0;
      this.#heard = true;
      if (typeof data === "string") this.#listener.text(data);
    };
    socket.onerror = () => {
    };
    socket.onclose = (event) => {
      if (socket === this.#socket) this.#lost(event);
    };
  }
  /** @param {Closing} [closing] */
  #lost(closing = {}) {
    this.#socket = void 0;
    if (this.#opened && Date.now() - this.#opened >= LONGEST_PAUSE) this.#failures = 0;
    const { code = 0, reason } = closing;
    const unreachable = new SharedStateError(
      "unreachable",
      "no server answers, or none that accepts this origin"
    );
    if (!this.#heard && this.#failures === 1) this.#listener.report(unreachable);
    let error = this.#failures < this.#retries ? void 0 : unreachable;
    if (code >= 4400 && code < 4500) {
      error = new SharedStateError("sent_away", `${reason}`, { close_code: code });
      this.#listener.report(error);
    }
    if (error) {
      this.close();
    } else {
      const pause2 = backoff(this.#failures++);
      this.next_attempt = Date.now() + pause2;
      this.#timer = setTimeout(() => this.retry(), pause2);
    }
    this.#listener.lost(closing, error);
  }
  #wake = () => {
    if (this.retry()) return;
    this.#silence = 2;
    this.#listener.probe();
    this.#watch();
  };
  #visibility_changed = () => {
    if (globalThis.document.visibilityState === "visible") this.#wake();
  };
  #watch() {
    clearInterval(this.#watchdog);
    if (this.#tick > MAX_TICK) return;
    this.#watchdog = setInterval(() => {
      if (!this.#socket) return;
      if (++this.#silence === 2) this.#listener.probe();
      if (this.#silence > 2) this.drop();
      else this.#listener.tick(this.#patience);
    }, this.#tick);
    this.#watchdog.unref?.();
  }
};

// src/api/client_hub.js
var POLICY = 1008;
var ClientHub = class {
  /** @type {Status} */
  status = "idle";
  /** @type {Callbacks<Status>} */
  status_callbacks;
  /** @type {User | null} */
  user = null;
  /** @type {Callbacks<User | null>} */
  user_callbacks;
  #sign_in;
  /** @type {(Effect | {kind: "status", status: Status})[]} being performed, or next */
  #due = [];
  #performing = false;
  /** Whether the core knows of the present connection. */
  #begun = false;
  #url;
  #options;
  #on_effect;
  #on_connectivity;
  #core;
  /** @type {Connector | undefined} */
  #connector;
  /** Whether there is no connection because the server demands a user, and there is none until `connect`. */
  #rests = false;
  /**
   * @param {string} url
   * @param {Options} options
   * @param {(effect: DatasetEffect) => void} on_effect
   * @param {(error?: SharedStateError) => void} on_connectivity receives the reason why there is no connection and
   *   will be none; without an error, attempts to connect have begun
   */
  constructor(url, options, on_effect, on_connectivity) {
    this.#url = url;
    this.#options = options;
    this.#on_effect = on_effect;
    this.#on_connectivity = on_connectivity;
    this.#core = new ClientProtocol({ ...options, key: random_id() });
    this.calls = new CallQueue(options.on_error);
    this.status_callbacks = new Callbacks(this.calls);
    this.user_callbacks = new Callbacks(this.calls);
    this.#sign_in = new SignIn(options.token, {
      show: (token) => this.#show(token),
      failed: (error) => {
        this.calls.report(error);
        if (!this.#begun) return this.#connector?.drop();
        this.#sign_in.wanted("unavailable");
        this.calls.run();
      },
      none: () => {
        this.#show(null);
        this.perform([], "unauthenticated");
      },
      time: () => this.request("GET", () => ["/clock", void 0])
    });
  }
  get next_attempt() {
    return this.#connector?.next_attempt;
  }
  /**
   * @param {boolean} [now] whether to try at once, if there is a pause between two attempts
   * @throws {SharedStateError} `closed` after `close`; `bad_option` if there is no WebSocket constructor
   */
  connect(now) {
    if (this.status === "closed") throw closed();
    if (now && (this.#connector || this.#rests)) this.#sign_in.resume();
    if (this.#connector) {
      if (now) this.#connector.retry();
      return;
    }
    const { WebSocket = globalThis.WebSocket } = this.#options;
    if (!WebSocket) throw new SharedStateError("bad_option", "WebSocket: there is none; pass one");
    const core = this.#core;
    const listener = {
      attempt: () => this.#sign_in.attempt(),
      opened: () => this.#sign_in.opened(),
      text: (text) => this.perform(core.receive_text(text)),
      lost: (closing, error) => {
        this.#rests = !error && closing?.code === POLICY && this.#sign_in.stopped;
        this.#sign_in.lost();
        this.#begun = false;
        const effects = core.connection_lost(closing);
        if (this.#rests) this.#connector?.close();
        if (this.#rests || error) this.#connector = void 0;
        if (error) {
          effects.push(...core.give_up(error));
          this.#on_connectivity(error);
        }
        const next = this.status === "connecting" ? "connecting" : "reconnecting";
        this.perform(effects, error ? "idle" : this.#rests ? "unauthenticated" : next);
      },
      tick: (limit) => this.perform(core.tick(limit)),
      probe: () => this.perform(core.probe()),
      report: this.calls.report
    };
    const connector = new Connector(this.#url, WebSocket, listener, this.#options);
    connector.start();
    this.#connector = connector;
    this.#on_connectivity();
    this.perform([], "connecting");
  }
  close() {
    if (this.status === "closed") return;
    this.#sign_in.lost();
    const effects = this.#core.close();
    this.#on_connectivity(closed());
    this.#connector?.close();
    this.perform(effects, "closed");
  }
  /** @param {import("./sign_in.js").Token} token */
  #show(token) {
    if (this.#begun) return this.perform(this.#core.sign_in(
      /** @type {string | null} */
      token
    ));
    this.#begun = true;
    this.perform(this.#core.connection_opened(token), "connected");
  }
  sign_out() {
    this.#sign_in.stop();
    this.perform(this.#core.sign_in(null), this.#begun ? "connected" : void 0);
  }
  /** @param {Parameters<ClientProtocol["acquire"]>} args */
  acquire(...args) {
    this.perform(this.#core.acquire(...args));
  }
  /** @param {Parameters<ClientProtocol["release"]>} args */
  release(...args) {
    this.perform(this.#core.release(...args));
  }
  /**
   * @param {"GET" | "PUT"} cmd
   * @param {() => [string, unknown]} make returns path and argument; what it throws, a mistake of the program,
   *   rejects the promise, and is shown as an unhandled rejection
   * @param {AbortSignal} [signal] withdraws the request, unless it was sent
   * @param {(answer: Settled) => unknown} [result] what of the answer is given
   * @returns {Promise<any>}
   */
  request(cmd, make, signal, result = ({ data }) => data) {
    let stop = () => {
    };
    let made = false;
    const promise = new Promise((resolve, reject) => {
      const [path, arg] = make();
      made = true;
      signal?.throwIfAborted();
      this.connect();
      const ticket = {
        resolve: (answer) => (stop(), resolve(result(answer))),
        reject: (error) => (stop(), reject(error))
      };
      stop = on_abort(signal, () => this.#core.withdraw(ticket) && reject(signal?.reason));
      this.perform(this.#core.request(ticket, cmd, normal_path(path), arg));
    });
    if (made) promise.catch(() => {
    });
    return promise;
  }
  /**
   * Perform effects, then make due calls of the application's functions. What comes of an effect, while it is
   * performed, is performed after those that the core has decided before.
   *
   * @param {Effect[]} effects
   * @param {Status} [status] the new one
   */
  perform(effects, status) {
    for (const effect of effects) this.#due.push(effect);
    if (status) this.#due.push({ kind: "status", status });
    if (this.#performing) return;
    this.#performing = true;
    for (const effect of this.#due) this.#perform_one(effect);
    this.#due = [];
    this.#performing = false;
    this.calls.run();
  }
  /** @param {Status} status */
  #set_status(status) {
    if (status !== this.status) this.status_callbacks.call(this.status = status);
  }
  /** @param {Extract<Effect, {kind: "identified"}>} effect */
  #identified({ user, expires }) {
    if (user && this.status === "unauthenticated") this.#set_status("connected");
    if (!same(user, this.user)) this.user_callbacks.call(this.user = user);
    this.#sign_in.accepted(user, expires);
  }
  /** @param {Effect | {kind: "status", status: Status}} effect */
  #perform_one(effect) {
    switch (effect.kind) {
      case "status":
        this.#set_status(effect.status);
        break;
      case "send_text":
        this.#connector?.send(effect.text);
        break;
      case "settled": {
        const { resolve, reject } = (
          /** @type {Ticket} */
          effect.ticket
        );
        if (effect.error) reject(effect.error);
        else resolve(effect);
        break;
      }
      case "fault":
        this.calls.report(effect.error);
        if (effect.fatal) this.#connector?.drop();
        break;
      case "identified":
        this.#identified(effect);
        break;
      case "token_wanted":
        this.#sign_in.wanted(effect.reason);
        break;
      case "unauthenticated":
        this.calls.report(effect.error);
        this.#set_status("unauthenticated");
        break;
      default:
        this.#on_effect(effect);
    }
  }
};

// src/util/deferred.js
var Deferred = class {
  /** @type {(value: T) => void} */
  resolve = () => {
  };
  /** @type {(error: unknown) => void} */
  #reject = () => {
  };
  settled = false;
  failed = false;
  /** @type {Promise<T>} */
  promise = new Promise((resolve, reject) => {
    this.resolve = (value) => {
      this.settled = true;
      resolve(value);
    };
    this.#reject = reject;
  });
  constructor() {
    this.promise.catch(() => {
    });
  }
  /** @param {unknown} error has no effect once settled */
  reject(error) {
    if (this.settled) return;
    this.settled = this.failed = true;
    this.#reject(error);
  }
};

// src/api/dataset.js
var Dataset = class {
  #path;
  /** @internal */
  _replica = new Replica();
  #put;
  /** @type {Callbacks<Diff<T>[]>} */
  #callbacks;
  /** @type {readonly T[] | undefined} */
  #snapshot;
  /** @type {Deferred<void>} */
  #ready = new Deferred();
  #released = false;
  /** Whether a refusal has been reported, or `ready` will reject with it. */
  #reported = false;
  #calls;
  /**
   * @internal called when `ready` becomes a new promise
   * @type {Callbacks<void>}
   */
  _renewals;
  /**
   * @internal
   * @param {string} path
   * @param {FilterOptions} filter
   * @param {(changes: Changes<any>, until?: Until) => Promise<number>} put
   * @param {import("../util/call_queue.js").CallQueue} calls
   */
  constructor(path, { where, last, fields }, put2, calls) {
    this.#path = path;
    this.where = where;
    this.last = last;
    this.fields = fields;
    this.#put = put2;
    this.#calls = calls;
    this.#callbacks = new Callbacks(calls);
    this._renewals = new Callbacks(calls);
  }
  /** Path of the collection, `/app/service/collection`. */
  get path() {
    return this.#path;
  }
  /**
   * The place of its first item in the order of the collection, for `client.page`; undefined if there are no items, or if this is
   * a whole collection.
   */
  get before() {
    return this._replica.before;
  }
  /** Number of items. */
  get size() {
    return this._replica.items.size;
  }
  /**
   * Resolves at the first sync, when the items are available; rejects with a `SharedStateError` if the server
   * refuses (`bad_path`, `no_service`, `forbidden`…), or with `released` or `closed` if that comes first. May be
   * ignored; a refusal is reported unless this promise was read. After a rejection it is replaced by a new promise
   * when the path is acquired again, when the server accepts after a reconnect, or when a client that was sent
   * away or gave up connects again.
   *
   * @returns {Promise<void>}
   */
  get ready() {
    this.#reported ||= !this.#ready.settled;
    return this.#ready.promise;
  }
  /**
   * @param {string} id
   * @returns {T | undefined}
   */
  get_item(id) {
    return this.#items.get(id);
  }
  /**
   * @param {string} id
   * @returns {boolean}
   */
  has_item(id) {
    return this.#items.has(id);
  }
  /**
   * @returns {T[]} all items, in order, in a new list
   */
  get_items() {
    return [...this.#items.values()];
  }
  /**
   * All items, in order, in a frozen list: the same list until something changes; an item that did not change is
   * the same object in the next list. It is made on demand.
   *
   * @returns {readonly T[]}
   */
  get snapshot() {
    return this.#snapshot ??= Object.freeze(this.get_items());
  }
  get #items() {
    return (
      /** @type {Map<string, T>} */
      /** @type {unknown} */
      this._replica.items
    );
  }
  /**
   * Ask the server to change the collection. The dataset changes when the server says so, before the promise
   * resolves. Without a connection, the request waits for one.
   *
   * @param {Changes<T>} changes not modified
   * @param {Until} [until] a signal that withdraws the request, unless it was sent
   * @returns {Promise<number>} number of ids touched. Rejects with a `SharedStateError`: `bad_update` (an `insert` too,
   *   where `fields` leaves members out),
   *   `forbidden`, `conflict`, `too_many`, `unavailable`, `connection_lost` (outcome unknown), `closed`… The
   *   promise may be ignored: then nothing is thrown or logged, unless the call itself is a mistake (an unknown
   *   member).
   * @throws {SharedStateError} `released`, at once, if every handle has been released
   */
  update(changes, until) {
    if (this.#released) throw released();
    return this.#put(changes, until);
  }
  /**
   * Call a function after each change, once for each notification of the server, with a list of
   * diffs: one for each item that was inserted, replaced or removed, never empty. The dataset already shows the
   * new state.
   *
   * @param {(diffs: Diff<T>[]) => unknown} callback what it throws is reported and affects nothing else
   * @returns {object} handle for `remove_callback`
   */
  add_callback(callback) {
    return this.#callbacks.add(callback);
  }
  /**
   * Like `add_callback`, but needs no `this`, so that it can be passed as a function.
   *
   * @param {(diffs: Diff<T>[]) => unknown} callback
   * @param {Until} [until] a signal that ends it
   * @returns {Unsubscribe} ends it; with `using`, at the end of the block
   */
  subscribe = (callback, { signal } = {}) => {
    const handle = this.#callbacks.add(callback);
    const remove = () => this.#callbacks.remove(handle);
    const stop = on_abort(signal, remove);
    const unsubscribe = () => {
      stop();
      remove();
    };
    return disposable(unsubscribe, unsubscribe);
  };
  /**
   * @param {object} handle from `add_callback`; an unknown one has no effect
   */
  remove_callback(handle) {
    this.#callbacks.remove(handle);
  }
  /**
   * @internal
   * @param {import("./client_hub.js").DatasetEffect} effect
   */
  _handle(effect) {
    if (effect.kind === "refused") {
      const denied = /^(unauthenticated|forbidden)$/.test(effect.error.code);
      if (denied && this.#ready.settled && !this.#ready.failed) {
        this.#ready = new Deferred();
        this._renewals.call();
      }
      if (!this.#reported) this.#calls.report(effect.error);
      this.#reported = true;
      this._failed(effect.error);
      return;
    }
    this.#reported = false;
    if (effect.kind === "changed") {
      this.#snapshot = void 0;
      this.#callbacks.call(
        /** @type {Diff<any>[]} */
        effect.diffs
      );
    }
    if (effect.kind === "synced") {
      this._renew();
      this.#ready.resolve();
    }
  }
  /** @internal the server is asked again: a `ready` that failed is replaced */
  _renew() {
    const { settled: settled2, failed } = this.#ready;
    if (settled2) this.#reported = false;
    if (!failed) return;
    this.#ready = new Deferred();
    this._renewals.call();
  }
  /**
   * @internal
   * @param {SharedStateError} error
   * @param {boolean} [_over] whether nothing more will come
   */
  _failed(error, _over) {
    this.#ready.reject(error);
  }
  /** @internal */
  _release() {
    this.#released = true;
    this._failed(released(), true);
  }
};
function released() {
  return new SharedStateError("released", "the dataset was released");
}

// src/api/client.js
var SharedStateClient = class {
  #hub;
  #datasets = new AcquiredDatasets(
    (path, filter) => this._new_dataset(
      path,
      filter,
      (changes, until) => this.#put(path, changes, until, filter.fields),
      this.#hub.calls
    )
  );
  /** @type {Map<object, {acquired: Acquired, stop(): void}>} `stop` listening to the signal, by handle */
  #handles = /* @__PURE__ */ new Map();
  /**
   * It does not connect yet: `connect`, `acquire`, `get` or `update` will.
   *
   * @param {string} url `ws://host:port` or `wss://host:port`
   * @param {Options} [options]
   */
  constructor(url, options = {}) {
    this.#hub = new ClientHub(
      url,
      options,
      (effect) => this.#datasets.of(effect)?._handle(effect),
      (error) => {
        for (const ds of this.#datasets.all())
          error ? ds._failed(error, error.code === "closed") : ds._renew();
      }
    );
  }
  /** @returns {Status} */
  get status() {
    return this.#hub.status;
  }
  /**
   * Call a function with the new status each time it changes.
   *
   * @param {(status: Status) => unknown} callback what it throws is reported, and affects nothing else
   * @returns {object} handle for `remove_status_callback`
   */
  add_status_callback(callback) {
    return this.#hub.status_callbacks.add(callback);
  }
  /** @param {object} handle from `add_status_callback`; an unknown one has no effect */
  remove_status_callback(handle) {
    this.#hub.status_callbacks.remove(handle);
  }
  /**
   * Whose the connection is, as far as the server has said: an object with an `id`, and what else the server knows of
   * the user; null for nobody. It stays while the connection is lost.
   *
   * @returns {User | null}
   */
  get user() {
    return this.#hub.user;
  }
  /**
   * Call a function with the new user each time it changes.
   *
   * @param {(user: User | null) => unknown} callback what it throws is reported, and affects nothing else
   * @returns {object} handle for `remove_user_callback`
   */
  add_user_callback(callback) {
    return this.#hub.user_callbacks.add(callback);
  }
  /** @param {object} handle from `add_user_callback`; an unknown one has no effect */
  remove_user_callback(handle) {
    this.#hub.user_callbacks.remove(handle);
  }
  /**
   * Sign out, on this connection and later ones: what nobody may read becomes empty. `connect` asks for a token again, if
   * there is a function `token`.
   */
  sign_out() {
    this.#hub.sign_out();
  }
  /**
   * Time of the next attempt to connect, in milliseconds since the Unix epoch, like `Date.now()`; undefined unless
   * the client is pausing between two attempts.
   *
   * @returns {number | undefined}
   */
  get next_attempt() {
    return this.#hub.next_attempt;
  }
  /**
   * Connect, and stay connected. May be called any number of times: in a pause between two attempts, the next one
   * is made at once, and if nobody is signed in, a token is asked for. `acquire`, `get` and `update` also connect if the
   * client is idle.
   *
   * @throws {SharedStateError} `closed` after `close`; `bad_option` if there is no WebSocket constructor
   * @throws {DOMException} or whatever that constructor throws for a URL that it rejects
   */
  connect() {
    this.#hub.connect(true);
  }
  /**
   * Close the connection for good. Requests that were not sent are rejected with `closed`, sent ones with
   * `connection_lost`. Datasets keep their items and stay readable.
   */
  close() {
    this.#hub.close();
  }
  [DISPOSE]() {
    this.close();
  }
  /**
   * Get the dataset of a collection, or of a part of it, with or without a connection. Acquiring a path again, in
   * whatever spelling, with an equal filter returns the same dataset, with another handle; with another filter, another
   * dataset.
   *
   * @template {{id: string}} [T=Item]
   * @param {string} path `/app/service/collection`
   * @param {FilterOptions & Until} [options] a filter; a signal that releases the handle
   * @returns {[Handle, Dataset<T>]} handle for `release`, and the dataset
   * @throws {SharedStateError} `bad_path` unless the path names a collection; `bad_message` if there is something undefined
   *   in the filter; as `connect`
   */
  acquire(path, { signal, ...options } = {}) {
    const name = collection_path(path);
    const [filter, text] = filter_of(options);
    this.#hub.connect();
    const acquired = this.#datasets.acquire(name, filter, text);
    const { ds, view } = acquired;
    ds._renew();
    this.#hub.acquire(name, ds._replica, { view, ...filter });
    const handle = Object.freeze(disposable({ path: name }, () => this.release(handle)));
    const entry = { acquired, stop() {
    } };
    this.#handles.set(handle, entry);
    entry.stop = on_abort(signal, () => this.release(handle));
    return [handle, ds];
  }
  /**
   * @internal
   * @param {string} path in normal form
   * @param {FilterOptions} [options]
   * @returns {Dataset<any> | undefined} the dataset, if acquired
   */
  _peek(path, options) {
    return this.#datasets.find(path, filter_of(options)[1]);
  }
  /**
   * @internal
   * @param {ConstructorParameters<typeof Dataset>} args
   * @returns {Dataset<any>}
   */
  _new_dataset(...args) {
    return new Dataset(...args);
  }
  /**
   * @internal
   * @template {{id: string}} T
   * @param {Changes<T>} changes
   * @returns {Changes<T>} as to be sent
   */
  _prepared(changes) {
    return with_ids(changes);
  }
  /**
   * Release a handle. With the last handle of a dataset, the dataset is released: no longer kept in sync, but
   * still readable.
   *
   * @param {object} handle from `acquire`; one that was already released has no effect
   */
  release(handle) {
    const entry = this.#handles.get(handle);
    if (!entry) return;
    entry.stop();
    this.#handles.delete(handle);
    const { acquired } = entry;
    if (!this.#datasets.release(acquired)) return;
    const { ds, view } = acquired;
    ds._release();
    this.#hub.release(ds.path, view);
  }
  /**
   * Read something from the server, once.
   *
   * @template [R=unknown] type of the result, such as `Todo[]`
   * @param {string} path `/app/service/collection`: a list of items; `/app/service`: names of collections; `/app`:
   *   names of services that hold some of the app; `/`: names of services; `/clock`: the server's time, in seconds
   *   since the Unix epoch
   * @param {FilterOptions & Until & {before?: At, after?: string, limit?: number}} [options] a filter, if it is a
   *   collection; `before` as for `page`. `signal` withdraws the request, unless it was sent.
   *   `after` and `limit` ask for a page of a long list of names: at most so many that follow one, by code point; the
   *   first page is after `""`, the page after the last name is empty. A list that is too long without is `too_large`.
   * @returns {Promise<R>} Rejects with a `SharedStateError`, as `Dataset.update` does.
   */
  get(path, options) {
    const { signal, ...arg } = { ...options };
    return this.#hub.request(
      "GET",
      () => [path, options && { ...arg, ...filter_of(arg)[0] }],
      signal
    );
  }
  /**
   * Read a part of a collection, once: with `last`, its newest items; with `before` too, those before a place in the order,
   * which is the member `before` of a dataset or of another page.
   *
   * @template {{id: string}} [T=Item]
   * @param {string} path `/app/service/collection`
   * @param {FilterOptions & Until & {before?: At}} [options]
   * @returns {Promise<Page<T>>} Rejects as `get` does.
   */
  page(path, { signal, before, ...options } = {}) {
    return this.#hub.request(
      "GET",
      () => [path, { before, ...filter_of(options)[0] }],
      signal,
      ({ data: items, at, more }) => ({ items, at, before: at?.[0], more })
    );
  }
  /**
   * Update a collection, acquired or not. See `Dataset.update`.
   *
   * @template {{id: string}} [T=Item]
   * @param {string} path `/app/service/collection`
   * @param {Changes<T>} changes not modified
   * @param {Until} [until] a signal that withdraws the request, unless it was sent
   * @returns {Promise<number>} number of ids touched. Rejects with a `SharedStateError`; may be ignored, like that
   *   of `Dataset.update`.
   */
  update(path, changes, until) {
    return this.#put(path, changes, until);
  }
  /**
   * @param {string} path
   * @param {Changes<any>} changes
   * @param {Until} [until]
   * @param {readonly string[]} [fields] the members that are known of each item, if not all
   */
  #put(path, changes, { signal } = {}, fields) {
    const make = (
      /** @returns {[string, unknown]} */
      () => {
        if (fields && changes?.insert?.length) throw cut();
        return [collection_path(path), this._prepared(changes)];
      }
    );
    return this.#hub.request("PUT", make, signal);
  }
};

// src/extras/clock.js
var DRIFT = 1e-4;
var SHORTEST = 0.25;
var LONGEST = 60;
var FIRST = 4;
var MAX_SAMPLES = 16;
var local = () => (performance.timeOrigin + performance.now()) / 1e3;
var wall = () => Date.now() / 1e3 - local();
var JUMP = 0.5;
var Clock = class {
  #ask;
  /** @type {Sample[]} */
  #samples = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #pause = SHORTEST;
  #running = false;
  #used = false;
  #last = 0;
  #wall = wall();
  /** @type {Deferred<void>} */
  #ready = new Deferred();
  /** @internal @param {() => Promise<number>} ask for the server's time, in seconds since the Unix epoch */
  constructor(ask) {
    this.#ask = ask;
  }
  /** Resolves at the first sample. Rejects with `closed` if the client is closed first. */
  get ready() {
    this.#use();
    return this.#ready.promise;
  }
  /**
   * The server's time, in seconds since the Unix epoch. Never goes backwards. Before the first sample it is this
   * computer's own.
   *
   * @returns {number}
   */
  now() {
    return this.#last = Math.max(this.#last, local() + this.skew);
  }
  /** How far the server's clock is ahead of this computer's, in seconds. */
  get skew() {
    return this.#best?.skew ?? 0;
  }
  /** One-way latency in seconds, according to the best sample. */
  get trans() {
    return this.#best?.trans ?? Infinity;
  }
  /** Maximum error of `skew`, in seconds; Infinity before the first sample. */
  get error() {
    const best = this.#best;
    return best ? bound(best, local()) : Infinity;
  }
  get #best() {
    this.#use();
    const now = local();
    return this.#samples.reduce(
      (best, sample) => best && bound(best, now) <= bound(sample, now) ? best : sample,
      /** @type {Sample | undefined} */
      void 0
    );
  }
  #use() {
    this.#used = true;
    if (Math.abs(wall() - this.#wall) > JUMP) {
      this.#wall = wall();
      this.#samples = [];
      clearTimeout(this.#timer);
      this.#timer = void 0;
    }
    if (this.#running || this.#timer) return;
    this.#pause = SHORTEST;
    this.#sample();
  }
  async #sample() {
    this.#running = true;
    const start = local();
    const before = wall();
    try {
      const time = await this.#ask();
      const at = local();
      const trans = (at - start) / 2;
      if (Number.isFinite(time) && Math.abs(wall() - before) < JUMP) {
        this.#samples.push({ skew: time - (start + trans), trans, at });
        this.#samples = this.#samples.slice(-MAX_SAMPLES);
        this.#ready.resolve();
      }
    } catch (error) {
      if (
        /** @type {any} */
        error.code === "closed"
      ) return this.#ready.reject(error);
    }
    this.#running = false;
    this.#timer = setTimeout(() => {
      this.#timer = void 0;
      const wanted = this.#used || this.#pause <= FIRST || this.#samples.length === 0;
      this.#used = false;
      if (wanted) this.#sample();
    }, this.#pause * 1e3);
    this.#timer.unref?.();
    this.#pause = Math.min(LONGEST, this.#pause * 2);
  }
};
var bound = ({ trans, at }, now) => trans + DRIFT * (now - at);

// src/extras/iteration.js
function iterate(subscribe, signals) {
  let pending = /* @__PURE__ */ new Map();
  let news = new Deferred();
  let open = true;
  const unsubscribe = subscribe((diffs) => {
    for (const diff of diffs) merge(pending, diff);
    news.resolve();
  });
  const end = () => {
    open = false;
    unsubscribe();
    for (const stop of stops) stop();
    news.resolve();
  };
  const stops = [];
  for (const signal of signals) stops.push(on_abort(signal, end));
  if (!open) end();
  return {
    async next() {
      while (open && pending.size === 0) {
        await news.promise;
        if (open && pending.size === 0) news = new Deferred();
      }
      if (pending.size === 0) return { done: true, value: void 0 };
      const value = [...pending.values()];
      pending = /* @__PURE__ */ new Map();
      if (open) news = new Deferred();
      return { done: false, value };
    },
    async return() {
      end();
      pending.clear();
      return { done: true, value: void 0 };
    },
    [Symbol.asyncIterator]() {
      return this;
    }
  };
}
function merge(pending, diff) {
  const { id } = diff;
  const before = pending.get(id);
  const { old } = before ?? diff;
  if (!old && !diff.new) pending.delete(id);
  else pending.set(
    id,
    /** @type {Diff<T>} */
    { id, new: diff.new, old }
  );
}

// src/extras/object.js
var SharedObject = class {
  #ds;
  #id;
  /**
   * @internal
   * @param {import("../api/dataset.js").Dataset<any>} ds
   * @param {string} id
   */
  constructor(ds, id) {
    this.#ds = ds;
    this.#id = id;
  }
  /** Id of the item that holds the list. */
  get id() {
    return this.#id;
  }
  /** @returns {T[]} the items, in a new list; empty if there is no such item */
  get_items() {
    return list(this.#ds.get_item(this.#id));
  }
  /**
   * @param {string} id
   * @returns {T | undefined}
   */
  get_item(id) {
    return this.get_items().find((item) => item?.id === id);
  }
  /** @param {string} id */
  has_item(id) {
    return this.get_item(id) !== void 0;
  }
  /**
   * Replace the whole list. Of several items with the same id the last one counts, in the place of the first.
   *
   * @param {readonly import("../api/changes.js").New<T>[]} items not modified; one without `id` gets a random one
   * @returns {Promise<any>} as of `Dataset.update`
   * @throws {TypeError} unless it is a list
   * @throws {import("../protocol/errors.js").SharedStateError} `bad_update` if an item is not JSON, or has an id that is not a string
   */
  set_items(items) {
    if (!Array.isArray(items)) throw new TypeError("expected a list of items");
    const state = (
      /** @type {any} */
      with_ids({ insert: plain(
        /** @type {any} */
        items,
        "items"
      ) }).insert
    );
    expect_ids(state, "items", ".id");
    return this.#ds.update({ insert: [{ id: this.#id, state: single(state) }] });
  }
  /**
   * Have a function called after each change of the list.
   *
   * @param {(diffs: Diff<T>[]) => unknown} callback gets one diff for each item of the list that is not what
   *   it was, or has moved; never none
   * @returns {object} handle for `remove_callback`
   */
  add_callback(callback) {
    return this.#ds.add_callback((diffs) => {
      const change2 = diffs.find(({ id }) => id === this.#id);
      const own = change2 ? compare2(list(change2.old), list(change2.new)) : [];
      if (own.length > 0) callback(own);
    });
  }
  /** @param {object} handle from `add_callback`; an unknown one has no effect */
  remove_callback(handle) {
    this.#ds.remove_callback(handle);
  }
};
var list = (item) => Array.isArray(item?.state) ? single(item.state) : [];
var single = (items) => [
  ...new Map(items.map((each, n) => [typeof each?.id === "string" ? each.id : n, each])).values()
];
function compare2(before, after) {
  const replica = new Replica();
  const update = { remove: [], reset: true };
  const with_id = (items) => items.filter((item) => typeof item?.id === "string");
  replica.apply({ ...update, insert: with_id(before) });
  return replica.apply({ ...update, insert: with_id(after) });
}

// src/api/options.js
var MINIMUM = {
  // Members that every object inherits, such as `toString`, are not options.
  __proto__: null,
  WebSocket: check,
  max_queue: 0,
  retries: 0,
  timeout: 1e-3,
  answer_timeout: 1e-3,
  max_snapshot: 1,
  on_error: check,
  token: check,
  debug: true
};
function check(url, options) {
  let href = "";
  try {
    href = new URL(url).href;
  } catch {
  }
  if (!/^(ws(s|\+unix)?|https?):[^#]+$/.test(href))
    throw new SharedStateError("bad_url", `${url}: expected ws://host:port`);
  if (!is_object(options)) throw new SharedStateError("bad_option", "options: not an object");
  for (const [name, value] of Object.entries(options)) {
    const minimum = MINIMUM[name];
    const kind = typeof minimum;
    if (minimum === void 0) throw new SharedStateError("bad_option", `${name}: unknown option`);
    const is_text = name === "token" && typeof value === "string";
    const fits = is_text || typeof value === kind && (kind !== "number" || value >= minimum);
    if (value !== void 0 && !fits)
      throw new SharedStateError("bad_option", `${name}: not a valid ${kind}`);
  }
}

// src/extras/patching.js
function patched(item, patch) {
  const { id, set = {}, unset = [], inc = {}, now = [], add = {}, pull = {}, upsert } = patch;
  if (item === void 0 && !upsert) throw misfit("", "there is no such item");
  const result = item === void 0 ? { id } : { ...item };
  for (const [member, value] of Object.entries(set)) change(result, member, "set", () => value);
  for (const member of unset) change(result, member, "unset");
  for (const [member, by] of Object.entries(inc))
    change(result, member, "inc", (before = 0) => {
      const sum = typeof before === "number" ? before + by : NaN;
      if (!Number.isFinite(sum)) throw misfit(`inc.${member}`, "no number, or the sum is none");
      return sum;
    });
  for (const member of now) change(result, member, "now", () => Date.now() / 1e3);
  for (const [member, values] of Object.entries(add))
    change(result, member, "add", (before = []) => {
      const known = new Set(list2(before, "add", member).map(spelling));
      const is_new = (text) => !known.has(text) && known.add(text);
      return [...before, ...values.filter((each) => is_new(spelling(each)))];
    });
  for (const [member, values] of Object.entries(pull))
    change(result, member, "pull", (before) => {
      if (before === void 0) return before;
      const gone2 = new Set(values.map(spelling));
      return list2(before, "pull", member).filter((each) => !gone2.has(spelling(each)));
    });
  return result;
}
function change(item, member, kind, to) {
  const way = member.startsWith("/") ? member.slice(1).split("/").map((name) => name.replaceAll("~1", "/").replaceAll("~0", "~")) : [member];
  const last = (
    /** @type {string} */
    way.pop()
  );
  const is_needed = kind !== "unset" && kind !== "pull";
  let holder = item;
  for (const name of way) {
    const inner = Object.hasOwn(holder, name) ? holder[name] : is_needed ? {} : void 0;
    if (!is_object(inner)) {
      if (is_needed) throw misfit(`${kind}.${member}`, "what it is in is no object");
      return;
    }
    const copy2 = { ...inner };
    put(holder, name, copy2);
    holder = copy2;
  }
  const value = to?.(Object.hasOwn(holder, last) ? holder[last] : void 0);
  if (value !== void 0) put(holder, last, value);
  else delete holder[last];
}
var put = (holder, name, value) => Object.defineProperty(holder, name, {
  value,
  writable: true,
  enumerable: true,
  configurable: true
});
function list2(value, kind, member) {
  if (!Array.isArray(value)) throw misfit(`${kind}.${member}`, "the member is no list");
  return value;
}
function spelling(value) {
  if (Array.isArray(value)) return `[${value.map(spelling)}]`;
  if (!is_object(value)) return JSON.stringify(value);
  const members2 = Object.entries(value).map(
    ([name, each]) => `${JSON.stringify(name)}:${spelling(each)}`
  );
  return `{${members2.sort()}}`;
}
var misfit = (place, problem) => new SharedStateError("mismatch", `${place || "patch"}: ${problem}`, {
  place: place || void 0
});

// src/extras/transaction.js
var MAX_RUNS = 100;
var MAX_CONFLICTS = 6;
var MAX_PAUSE2 = 1e3;
var Transaction = class {
  #ds;
  /** @type {Set<string>} ids whose state in the collection was read */
  #read = /* @__PURE__ */ new Set();
  #read_all = false;
  #reset = false;
  /** @type {Set<string>} */
  #remove = /* @__PURE__ */ new Set();
  /** @type {Map<string, T>} */
  #insert = /* @__PURE__ */ new Map();
  /** @type {Map<string, Patch[]>} by id: what comes after all that */
  #patch = /* @__PURE__ */ new Map();
  /** @internal whether the function has ended */
  _over = false;
  /** @internal @param {Dataset<T> & Conditional} ds */
  constructor(ds) {
    this.#ds = ds;
    this._cursor = ds.cursor;
  }
  /**
   * @param {string} id
   * @returns {T | undefined}
   */
  get_item(id) {
    if (this.#insert.has(id) || this.#reset || this.#remove.has(id))
      return this.#patched(id, this.#insert.get(id));
    this.#read.add(id);
    return this.#patched(id, this.#ds.get_item(id));
  }
  /**
   * @param {string} id
   * @param {T | undefined} item
   * @returns {T | undefined} with the transaction's own patches
   * @throws {SharedStateError} `mismatch`: they do not fit
   */
  #patched(id, item) {
    return (this.#patch.get(id) ?? []).reduce(patched, item);
  }
  /** @param {string} id */
  has_item(id) {
    return this.get_item(id) !== void 0;
  }
  /**
   * @returns {T[]} all items, in order; afterwards any change by others is a conflict
   */
  get_items() {
    const items = /* @__PURE__ */ new Map();
    if (!this.#reset) {
      this.#read_all = true;
      for (const item of this.#ds.get_items())
        if (!this.#remove.has(item.id)) items.set(item.id, item);
    }
    for (const [id, item] of this.#insert) items.set(id, item);
    for (const id of this.#patch.keys())
      items.set(
        id,
        /** @type {T} */
        this.#patched(id, items.get(id))
      );
    return [...items.values()];
  }
  /** Number of items; afterwards any change by others is a conflict. */
  get size() {
    return this.get_items().length;
  }
  /**
   * Add to the batch that will be sent when the function returns.
   *
   * @param {Omit<Changes<T>, "if">} changes as for `Dataset.update`
   * @throws {SharedStateError} `bad_update`, and nothing is added: the changes are invalid, or the function has ended
   */
  update(changes) {
    if (this._over)
      throw new SharedStateError("bad_update", "the transaction is over: an await is missing");
    const { remove, insert, reset, patch } = batch_of(changes);
    if (this.#ds.fields && insert.length) throw cut();
    if (reset) {
      this.#reset = true;
      this.#insert.clear();
      this.#patch.clear();
    }
    for (const id of remove) {
      this.#remove.add(id);
      this.#insert.delete(id);
      this.#patch.delete(id);
    }
    for (const item of insert) {
      this.#insert.set(item.id, item);
      this.#patch.delete(item.id);
    }
    for (const each of patch) this.#patch.set(each.id, [...this.#patch.get(each.id) ?? [], each]);
  }
  /**
   * Set members of one item, and keep the others; see `Dataset.patch`. What was not read may be changed by others meanwhile.
   *
   * @param {string} id
   * @param {Members<T>} members
   */
  patch(id, members2) {
    this.update({ patch: [{ id, set: members2 }] });
  }
  /**
   * Add to a number in an item; see `Dataset.increment`.
   *
   * @param {string} id
   * @param {string} member
   * @param {number} [by]
   */
  increment(id, member, by = 1) {
    this.update({ patch: [{ id, inc: { [member]: by } }] });
  }
  /** @internal @returns {Changes<any> | undefined} undefined if nothing was written */
  _batch() {
    const remove = this.#reset ? [] : [...this.#remove];
    const insert = [...this.#insert.values()];
    const patch = [...this.#patch.values()].flat();
    if (!this.#reset && remove.length + insert.length + patch.length === 0) return void 0;
    const batch = { remove, insert, reset: this.#reset };
    if (patch.length) batch.patch = patch;
    if (!this.#read_all && this.#read.size === 0) return batch;
    if (!this._cursor)
      throw new SharedStateError("failed", "the server does not number its versions");
    batch.if = { ...this._cursor, ids: this.#read_all ? void 0 : [...this.#read] };
    return batch;
  }
};
async function transact(ds, run) {
  const contention = ds._contention;
  const before = contention.turn;
  const turn = new Deferred();
  contention.turn = turn.promise;
  await before;
  try {
    if (contention.conflicts > 0) await pause(contention.conflicts--, contention.attempt);
    for (let runs = 1; ; runs++) {
      await ds.ready;
      const transaction = new Transaction(ds);
      const passed_on = setTimeout(turn.resolve);
      let result;
      try {
        result = await run(transaction);
      } finally {
        transaction._over = true;
        clearTimeout(passed_on);
      }
      const batch = transaction._batch();
      if (!batch) return result;
      const start = performance.now();
      try {
        await ds.update(batch);
        return result;
      } catch (thrown) {
        const error = (
          /** @type {SharedStateError} */
          thrown
        );
        if (error.code !== "conflict" || runs === MAX_RUNS) throw error;
        contention.attempt = performance.now() - start;
        contention.conflicts = Math.min(contention.conflicts + 1, MAX_CONFLICTS);
        await pause(contention.conflicts, contention.attempt);
        await caught_up(ds, transaction._cursor, error);
      }
    }
  } finally {
    turn.resolve();
  }
}
function pause(conflicts, attempt) {
  const longest2 = Math.min(MAX_PAUSE2, attempt * 2 ** conflicts);
  return new Promise((resolve) => setTimeout(resolve, jitter(longest2)));
}
async function caught_up(ds, before, conflict) {
  const behind = () => {
    const { epoch, version: version2 } = (
      /** @type {any} */
      ds._replica
    );
    if (epoch === before?.epoch && version2 === before?.version) return true;
    return epoch === conflict.epoch && version2 < /** @type {any} */
    conflict.version;
  };
  while (behind()) await ds._moved.promise;
}

// src/extras/full.js
var Dataset2 = class extends Dataset {
  /** @internal recent conflicts, the duration of the last attempt in milliseconds, and the end of the last transaction */
  _contention = { conflicts: 0, attempt: 0, turn: Promise.resolve() };
  /**
   * @internal resolves at the next version; rejects while the server refuses the subscription
   * @type {Deferred<void>}
   */
  _moved = new Deferred();
  #ended = new AbortController();
  /**
   * The state that the dataset shows, for `if`; undefined before the first sync, and with a server of level 1.
   *
   * @returns {import("../api/changes.js").Cursor | undefined}
   */
  get cursor() {
    const { epoch, version: version2 } = this._replica;
    return epoch === void 0 || version2 === void 0 ? void 0 : { epoch, version: version2 };
  }
  /**
   * Set members of one item, and keep the others, whoever changes them meanwhile.
   *
   * @param {string} id of the item
   * @param {Members<T>} members values by name, or by JSON Pointer; see `Patch` for what else an `update`
   *   can do to members
   * @param {Until} [until] a signal that withdraws the request, unless it was sent
   * @returns {Promise<number>} 1. Rejects as `update` does, with `mismatch` if there is no such item. May be ignored.
   */
  patch(id, members2, until) {
    return this.update({ patch: [{ id, set: members2 }] }, until);
  }
  /**
   * Add to a number in an item: nothing is lost, however many do so at once.
   *
   * @param {string} id of the item
   * @param {string} member its name, or a JSON Pointer; it begins at 0
   * @param {number} [by] default 1
   * @param {Until} [until] a signal that withdraws the request, unless it was sent
   * @returns {Promise<number>} 1. Rejects as `update` does, with `mismatch` if there is no such item, or the member is no
   *   number. May be ignored.
   */
  increment(id, member, by = 1, until = void 0) {
    return this.update({ patch: [{ id, inc: { [member]: by } }] }, until);
  }
  /**
   * Read, decide and write in isolation. The function gets a `Transaction`, through which it reads the dataset,
   * with its own writes so far, and writes with `update`. When it returns, the batch is sent on the condition that
   * nothing it read has changed. If something has, nothing is applied, and the function runs again after a random
   * pause: it should have no other effects. Pauses grow with the number of conflicts, up to a second, so that
   * every writer gets through. Transactions of one dataset run one after the other, in the order of the calls.
   *
   * @template R
   * @param {(transaction: import("./transaction.js").Transaction<T>) => R} run may be async
   * @returns {Promise<Awaited<R>>} what the function returned. Rejects with what it threw, or like `update`; with
   *   `conflict` after 100 runs. May be ignored.
   */
  transaction(run) {
    const promise = transact(this, run);
    promise.catch(() => {
    });
    return promise;
  }
  /**
   * The changes as they arrive, for `for await`. Changes that arrive while the loop is busy are merged into one
   * list. It ends when the dataset is released or the client is closed.
   *
   * @param {Until} [until] a signal that ends it
   * @returns {AsyncIterableIterator<Diff<T>[]>}
   */
  changes({ signal } = {}) {
    return iterate(this.subscribe, [signal, this.#ended.signal]);
  }
  [Symbol.asyncIterator]() {
    return this.changes();
  }
  /**
   * @internal
   * @override
   * @param {import("../api/client_hub.js").DatasetEffect} effect
   */
  _handle(effect) {
    super._handle(effect);
    if (effect.kind === "refused") return;
    this._moved.resolve();
    this._moved = new Deferred();
  }
  /** @internal @override */
  _renew() {
    super._renew();
    if (this._moved.failed) this._moved = new Deferred();
  }
  /**
   * @internal
   * @override
   * @param {SharedStateError} error
   * @param {boolean} [over]
   */
  _failed(error, over) {
    super._failed(error);
    this._moved.reject(error);
    if (over) this.#ended.abort();
  }
};
var PART = ["where", "last", "fields", "signal"];
var READ = [...PART, "before", "after", "limit"];
function unknown_option(options, known) {
  const name = Object.keys(options ?? {}).find((each) => !known.includes(each));
  return name === void 0 ? void 0 : new SharedStateError("bad_option", `${name}: unknown option`);
}
var SharedStateClient2 = class extends SharedStateClient {
  /** @type {WeakMap<object, Map<string, SharedObject<any>>>} by dataset and id */
  #objects = /* @__PURE__ */ new WeakMap();
  /** @type {Clock | undefined} */
  #clock;
  /**
   * It does not connect yet: `connect`, `acquire`, `get` or `update` will.
   *
   * @param {string} url `ws://host:port` or `wss://host:port`
   * @param {Options} [options]
   * @throws {SharedStateError} `bad_url`, or `bad_option`: an unknown option, or an invalid value
   */
  constructor(url, options = {}) {
    check(url, options);
    super(url, options);
  }
  /** The server's clock; it costs nothing until it is used. */
  get clock() {
    return this.#clock ??= new Clock(() => (
      /** @type {Promise<number>} */
      this.get("/clock")
    ));
  }
  /**
   * Get the dataset of a collection, or of a part of it, with or without a connection. Acquiring a path again, in
   * whatever spelling, with an equal filter returns the same dataset, with another handle; with another filter, another
   * dataset.
   *
   * @template {{id: string}} [T=Item]
   * @param {string} path `/app/service/collection`
   * @param {FilterOptions & Until} [options] a filter; a signal that releases the handle
   * @returns {[Handle, Dataset<T>]} handle for `release`, and the dataset
   * @throws {SharedStateError} `bad_path` unless the path names a collection; `bad_option` for an unknown option;
   *   `bad_message` if there is something undefined in the filter; as `connect`
   */
  acquire(path, options) {
    const fault2 = unknown_option(options, PART);
    if (fault2) throw fault2;
    return (
      /** @type {[Handle, Dataset<T>]} */
      super.acquire(path, options)
    );
  }
  /**
   * @override
   * @template [R=unknown]
   * @param {Parameters<CoreClient["get"]>} args
   * @returns {Promise<R>} Rejects also with `bad_option`, for an unknown option.
   */
  get(...args) {
    const fault2 = unknown_option(args[1], READ);
    return fault2 ? Promise.reject(fault2) : super.get(...args);
  }
  /**
   * @override
   * @template {{id: string}} [T=Item]
   * @param {Parameters<CoreClient["page"]>} args
   * @returns {Promise<import("../api/client.js").Page<T>>} Rejects also with `bad_option`, for an unknown option.
   */
  page(...args) {
    const fault2 = unknown_option(args[1], READ);
    return fault2 ? Promise.reject(fault2) : super.page(...args);
  }
  /**
   * Go through a list of names page by page, however long it is: `for await (const names of client.pages(path))`. Names
   * are sorted by code point. Each page is what is there when it is read.
   *
   * @param {string} path `/app/service`: names of collections; `/apps`: names of apps
   * @param {{limit?: number} & Until} [options] `limit`: names of a page at most; default: as many as the server gives
   * @returns {AsyncGenerator<string[], void, void>} Throws as `get` rejects.
   */
  async *pages(path, options) {
    let after = "";
    for (; ; ) {
      const names = (
        /** @type {string[]} */
        await this.get(path, { ...options, after })
      );
      const last = names.at(-1);
      if (last === void 0 || last === after) return;
      yield names;
      after = last;
    }
  }
  /**
   * Get a list that is stored in one item of a collection.
   *
   * @template {{id: string}} [T=Item]
   * @param {string} path `/app/service/collection`
   * @param {string} id of the item
   * @param {Until} [until] a signal that releases the handle
   * @returns {[Handle, SharedObject<T>]} handle for `release`, and the object: the same one each time, while any
   *   handle of the collection is held
   * @throws {SharedStateError} as `acquire`
   */
  acquire_object(path, id, until) {
    const [handle, ds] = this.acquire(path, until);
    const objects = this.#objects.get(ds) ?? /* @__PURE__ */ new Map();
    this.#objects.set(ds, objects);
    const object = objects.get(id) ?? new SharedObject(ds, id);
    objects.set(id, object);
    return [handle, object];
  }
  /**
   * @internal
   * @override
   * @template {{id: string}} T
   * @param {import("../api/changes.js").Changes<T>} changes
   */
  _prepared(changes) {
    return plain_changes(changes);
  }
  /**
   * @internal
   * @override
   * @param {ConstructorParameters<typeof CoreDataset>} args
   * @returns {Dataset<any>}
   */
  _new_dataset(...args) {
    return new Dataset2(...args);
  }
};

// src/extras/viewer.js
var DatasetViewer = class {
  #ds;
  #element;
  #options;
  /** @type {object | undefined} */
  #callback;
  /** @type {HTMLInputElement | undefined} */
  #field;
  /** Lets go what the field asked for. */
  #release = () => {
  };
  /** @type {Map<string, HTMLElement>} rows by id */
  #rows = /* @__PURE__ */ new Map();
  /**
   * @param {import("../api/dataset.js").Dataset<T>} ds
   * @param {HTMLElement} element its content is replaced
   * @param {ViewerOptions<T>} [options]
   */
  constructor(ds, element, options = {}) {
    this.#ds = ds;
    this.#element = element;
    this.#options = options;
    element.setAttribute("role", "list");
    element.replaceChildren();
    this.#follow(ds);
    if (options.filter) this.#add_field(options.filter, ds);
  }
  /** Stop following the dataset; the rows stay as they are, with their buttons disabled. */
  close() {
    this.#ds.remove_callback(this.#callback ?? {});
    this.#field?.remove();
    this.#release();
    for (const button of this.#element.querySelectorAll("button")) button.disabled = true;
  }
  /** @param {import("../api/dataset.js").Dataset<T>} ds */
  #follow(ds) {
    this.#ds.remove_callback(this.#callback ?? {});
    this.#ds = ds;
    this.#callback = ds.add_callback((diffs) => this.#show(diffs));
    this.#show([...[...this.#rows.keys()].map((id) => ({ id })), ...ds.get_items()]);
  }
  /**
   * @param {import("../api/client.js").SharedStateClient} client
   * @param {import("../api/dataset.js").Dataset<T>} all what is shown without a filter
   */
  #add_field(client, all) {
    const field = this.#field = document.createElement("input");
    field.type = "search";
    field.className = "list-filter";
    field.placeholder = 'Filter, such as {"done": false}';
    field.setAttribute("aria-label", "Filter");
    field.onchange = async () => {
      const wanted = field.value;
      let release = () => {
      };
      let ds = all;
      try {
        if (wanted.trim()) {
          const given = JSON.parse(wanted);
          const where = all.where ? { and: [all.where, given] } : given;
          const [handle, part] = client.acquire(all.path, {
            where,
            last: all.last,
            fields: all.fields
          });
          release = () => client.release(handle);
          ds = /** @type {any} */
          part;
        }
        await ds.ready;
        if (wanted !== field.value || !field.isConnected) return release();
        this.#follow(ds);
        this.#release();
        this.#release = release;
        field.setCustomValidity("");
      } catch (error) {
        release();
        field.setCustomValidity(
          /** @type {Error} */
          error.message
        );
        field.reportValidity();
      }
    };
    this.#element.before(field);
  }
  /** @param {{id: string}[]} changed diffs or items */
  #show(changed) {
    for (const { id } of changed) {
      const item = this.#ds.get_item(id);
      if (!item) this.#remove(id);
      else this.#fill(this.#rows.get(id) ?? this.#add(id), item);
    }
    let next = null;
    for (const { id } of this.#ds.get_items().reverse()) {
      const row = this.#rows.get(id) ?? this.#add(id);
      if (row.nextElementSibling !== next) this.#element.insertBefore(row, next);
      next = row;
    }
  }
  /** @param {string} id */
  #add(id) {
    const row = document.createElement("div");
    row.className = "list-item";
    row.setAttribute("role", "listitem");
    row.append(document.createElement("span"));
    if (this.#options.delete) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = "✕";
      button.onclick = () => this.#ds.update({ remove: [id] });
      row.append(" ", button);
    }
    this.#rows.set(id, row);
    this.#element.append(row);
    return row;
  }
  /** @param {HTMLElement} row @param {T} item */
  #fill(row, item) {
    const [span, button] = row.children;
    span.textContent = this.#text(item);
    button?.setAttribute("aria-label", `Delete ${item.id}`);
  }
  /** @param {T} item @returns {string} */
  #text(item) {
    let shown = item;
    try {
      if (Object.hasOwn(this.#options, "toString")) shown = this.#options.toString?.(item);
    } catch (error) {
      report(error);
    }
    return typeof shown === "string" ? shown : `${JSON.stringify(shown)}`;
  }
  /** Remove a row; if it has the focus, that moves to a neighbour. @param {string} id */
  #remove(id) {
    const row = this.#rows.get(id);
    if (!row) return;
    this.#rows.delete(id);
    const near = row.nextElementSibling ?? row.previousElementSibling;
    const focused = row.contains(document.activeElement);
    row.remove();
    if (focused) near?.querySelector("button")?.focus();
  }
};

// src/version.js
var version = "0.2.0";
export {
  Dataset2 as Dataset,
  DatasetViewer,
  SharedStateClient2 as SharedStateClient,
  SharedStateError,
  Unauthorized,
  version
};
//# sourceMappingURL=sharedstate.es.js.map
