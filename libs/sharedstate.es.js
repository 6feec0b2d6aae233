/*! SharedState client 0.1.0, BSD-2-Clause */

// src/callbacks.js
var Callbacks = class {
  /** @type {Map<object, (value: T) => unknown>} */
  #callbacks = /* @__PURE__ */ new Map();
  #report;
  /** @param {(error: unknown) => void} report gets what a callback throws */
  constructor(report3) {
    this.#report = report3;
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
  /** @param {T} value */
  call(value) {
    for (const handle of [...this.#callbacks.keys()]) {
      try {
        this.#callbacks.get(handle)?.(value);
      } catch (error) {
        this.#report(error);
      }
    }
  }
};

// src/random.js
function random_id() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = bytes[6] & 15 | 64;
  bytes[8] = bytes[8] & 63 | 128;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
function backoff(failures) {
  return Math.random() * Math.min(2e4, 250 * 2 ** failures);
}

// src/changes.js
function with_ids(changes) {
  if (!Array.isArray(changes?.insert)) return changes;
  const insert = changes.insert.map(
    (item) => typeof item === "object" && item !== null && item.id === void 0 ? { ...item, id: random_id() } : item
  );
  return { ...changes, insert };
}

// src/errors.js
var RESERVED = /* @__PURE__ */ new Set(["name", "message", "code", "stack", "cause"]);
var SharedStateError = class extends Error {
  /**
   * @param {string} code what happened, for programs
   * @param {string} message one sentence, for people
   * @param {object} [members] further members to copy
   * @param {unknown} [cause] what led to it
   */
  constructor(code, message, members = {}, cause = void 0) {
    super(message, cause === void 0 ? void 0 : { cause });
    this.name = "SharedStateError";
    this.code = code;
    this.outcome = void 0;
    this.epoch = void 0;
    this.version = void 0;
    for (const [name, value] of Object.entries(members)) {
      if (RESERVED.has(name)) continue;
      Object.defineProperty(this, name, {
        value,
        writable: true,
        enumerable: true,
        configurable: true
      });
    }
  }
};

// src/replica.js
var Replica = class {
  constructor() {
    this.items = /* @__PURE__ */ new Map();
    this.epoch = void 0;
    this.version = void 0;
  }
  /**
   * Apply an update as one step.
   *
   * @param {Update} update
   * @returns {Diff[]} one for each id that the update touched. A reset is told as the net difference: an
   *   item that is the same as before gives none. Empty if nothing happened.
   */
  apply(update) {
    return update.reset ? this.#replace(update.insert) : this.#edit(update);
  }
  /**
   * @param {Item[]} items
   * @returns {Diff[]}
   */
  #replace(items) {
    const before = this.items;
    const after = /* @__PURE__ */ new Map();
    for (const item of items) after.set(item.id, item);
    this.items = after;
    const diffs = [];
    for (const [id, old] of before) if (!after.has(id)) diffs.push({ id, new: void 0, old });
    for (const [id, item] of after) {
      const old = before.get(id);
      if (old !== void 0 && same(old, item)) after.set(id, old);
      else diffs.push({ id, new: item, old });
    }
    return diffs;
  }
  /**
   * @param {Update} update
   * @returns {Diff[]}
   */
  #edit({ remove, insert }) {
    const { items } = this;
    const touched = /* @__PURE__ */ new Map();
    const touch = (id) => touched.has(id) || touched.set(id, items.get(id));
    for (const id of remove) {
      touch(id);
      items.delete(id);
    }
    for (const item of insert) {
      touch(item.id);
      items.set(item.id, item);
    }
    const diffs = [];
    for (const [id, old] of touched) {
      const item = items.get(id);
      if (item !== void 0 || old !== void 0) diffs.push({ id, new: item, old });
    }
    return diffs;
  }
};
function same(a, b) {
  try {
    return deep_same(a, b);
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}
function deep_same(a, b) {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && deep_same(a[key], b[key]));
}

// src/dataset.js
var Dataset = class {
  #path;
  #replica = new Replica();
  #put;
  /** @type {Callbacks<Diff[]>} */
  #callbacks;
  #ready = new Deferred();
  #released = false;
  /**
   * @internal
   * @param {string} path
   * @param {(changes: Changes) => Promise<unknown>} put
   * @param {(error: unknown) => void} report
   */
  constructor(path, put, report3) {
    this.#path = path;
    this.#put = put;
    this.#callbacks = new Callbacks(report3);
  }
  /** Path of the collection, `/app/service/collection`. */
  get path() {
    return this.#path;
  }
  /** Number of items. */
  get size() {
    return this.#replica.items.size;
  }
  /**
   * Resolves at the first sync, when the items are there; rejects with a `SharedStateError` if the server
   * refuses (`bad_path`, `no_service`, `forbidden`…), with `released` or with `closed` if that comes
   * first. May be ignored. If the server changes its mind, at a reconnect or because the path is acquired
   * once more, `ready` is a new promise.
   *
   * @returns {Promise<void>}
   */
  get ready() {
    return this.#ready.promise;
  }
  /**
   * @param {string} id
   * @returns {Item | undefined}
   */
  get_item(id) {
    return this.#replica.items.get(id);
  }
  /**
   * @param {string} id
   * @returns {boolean}
   */
  has_item(id) {
    return this.#replica.items.has(id);
  }
  /**
   * @returns {Item[]} all items, in order, in a list of your own
   */
  get_items() {
    return [...this.#replica.items.values()];
  }
  /**
   * Ask the server to change the collection. The dataset changes when the server says so, and before the
   * promise resolves. Without a connection, the request waits for one.
   *
   * @param {Changes} changes not modified
   * @returns {Promise<unknown>} number of ids touched. Rejects with a `SharedStateError`: `bad_update`,
   *   `forbidden`, `conflict`, `too_many`, `unavailable`, `connection_lost` (outcome unknown), `closed`…
   *   The promise may be ignored: nothing is raised or logged then.
   * @throws {SharedStateError} `released`, at once, if every handle has been released
   */
  update(changes) {
    if (this.#released) throw released();
    return this.#put(changes);
  }
  /**
   * Have a function called after each change, once for each notification of the server, with a list of
   * diffs: one for each item that was inserted, replaced or removed, never empty. The dataset shows the
   * new state by then.
   *
   * @param {(diffs: Diff[]) => unknown} callback what it throws is reported and disturbs nobody
   * @returns {object} handle for `remove_callback`
   */
  add_callback(callback) {
    return this.#callbacks.add(callback);
  }
  /**
   * @param {object} handle of `add_callback`; an unknown one has no effect
   */
  remove_callback(handle) {
    this.#callbacks.remove(handle);
  }
  /** @internal */
  get _replica() {
    return this.#replica;
  }
  /**
   * @internal
   * @param {Diff[]} diffs
   */
  _tell(diffs) {
    this.#callbacks.call(diffs);
  }
  /** @internal the server is asked once more: a `ready` that failed gets another chance */
  _asked() {
    if (this.#ready.failed) this.#ready = new Deferred();
  }
  /** @internal */
  _synced() {
    this._asked();
    this.#ready.resolve();
  }
  /**
   * @internal
   * @param {SharedStateError} error
   */
  _failed(error) {
    this.#ready.reject(error);
  }
  /** @internal */
  _release() {
    this.#released = true;
    this._failed(released());
  }
};
var Deferred = class {
  /** @type {() => void} */
  resolve = () => {
  };
  /** @type {(error: unknown) => void} */
  #reject = () => {
  };
  #settled = false;
  failed = false;
  /** @type {Promise<void>} */
  promise = new Promise((resolve, reject) => {
    this.resolve = () => {
      this.#settled = true;
      resolve();
    };
    this.#reject = reject;
  });
  constructor() {
    this.promise.catch(() => {
    });
  }
  /** @param {unknown} error no effect if it is settled */
  reject(error) {
    if (this.#settled) return;
    this.#settled = this.failed = true;
    this.#reject(error);
  }
};
function released() {
  return new SharedStateError("released", "the dataset was released");
}

// src/paths.js
function normal_path(path) {
  if (typeof path !== "string") throw new SharedStateError("bad_path", "a path is a string");
  return "/" + path.split("/").filter(Boolean).join("/");
}
function collection_path(path) {
  const normal = normal_path(path);
  if (normal.split("/").length !== 4)
    throw new SharedStateError("bad_path", `${path}: expected /app/service/collection`);
  return normal;
}

// src/effects.js
var send = (text) => ({ kind: "send", text });
var settle = (ticket, error, data) => ({ kind: "settle", ticket, error, data });
var report = (error) => ({ kind: "report", error });

// src/messages.js
var UNKNOWN = (
  /** @type {Unknown} */
  { kind: "unknown" }
);
function encode_request(cmd, path, arg, tunnel) {
  return JSON.stringify({ type: "REQUEST", cmd, path, arg, tunnel });
}
function sub_of(since) {
  return since ? { since, parts: true } : { parts: true };
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
  if (message.type === "MESSAGE" && message.cmd === "NOTIFY") return notification(message);
  return UNKNOWN;
}
function reply(message) {
  const { tunnel, data, error, errors, epoch, version } = message;
  const members = is_object(error) ? error : {};
  return {
    kind: "reply",
    tunnel,
    ok: message.ok === true,
    data,
    // A conflict tells the present state beside `error`; for the application it belongs to it.
    error: epoch === void 0 ? members : { epoch, version, ...members },
    errors: Array.isArray(errors) ? errors : []
  };
}
function notification({ path, data, epoch, base, version, more }) {
  if (typeof path !== "string") return malformed("a notification without path");
  if (!is_object(data)) return malformed("data: expected an object", path);
  const { remove = [], insert = [], reset } = data;
  if (!Array.isArray(remove) || !remove.every((id) => typeof id === "string"))
    return malformed("data.remove: expected a list of ids", path);
  if (!Array.isArray(insert) || !insert.every((item) => typeof item?.id === "string"))
    return malformed("data.insert: expected a list of items", path);
  return {
    kind: "notification",
    path,
    update: { remove, insert, reset: reset === true },
    epoch: typeof epoch === "string" ? epoch : void 0,
    base: typeof base === "number" ? base : void 0,
    version: typeof version === "number" ? version : void 0,
    more: more === true
  };
}
var malformed = (reason, path) => ({ kind: "malformed", reason, path });
function is_object(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

// src/requests.js
var WINDOW = 100;
var MAX_WAITING_LENGTH = 16 * 1024 * 1024;
var Requests = class {
  #max_waiting;
  #connected = false;
  #next_tunnel = 0;
  /** @type {Map<unknown, unknown>} tickets of sent requests, by tunnel */
  #sent = /* @__PURE__ */ new Map();
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
    let text;
    try {
      text = encode_request(cmd, path, arg, tunnel);
    } catch (cause) {
      return [
        settle(ticket, new SharedStateError("bad_update", "the argument is not JSON", {}, cause))
      ];
    }
    const full = this.#waiting.length >= this.#max_waiting || this.#waiting_length + text.length > MAX_WAITING_LENGTH;
    if (!this.#connected && full)
      return [settle(ticket, new SharedStateError("too_many", "too much waits for a connection"))];
    this.#waiting.push({ tunnel, ticket, text });
    this.#waiting_length += text.length;
    return this.#fill();
  }
  /** @returns {Effect[]} */
  connection_opened() {
    this.#connected = true;
    return this.#fill();
  }
  /** @returns {Effect[]} */
  connection_lost() {
    this.#connected = false;
    const lost = [...this.#sent.values()];
    this.#sent.clear();
    return lost.map(
      (ticket) => settle(
        ticket,
        new SharedStateError("connection_lost", "connection lost; the outcome is unknown")
      )
    );
  }
  /** @returns {Effect[]} */
  close() {
    const lost = this.connection_lost();
    const waiting = this.#waiting.splice(0);
    this.#waiting_length = 0;
    return lost.concat(waiting.map(({ ticket }) => settle(ticket, closed())));
  }
  /**
   * @param {Reply} reply
   * @returns {Effect[]} empty if the reply answers no request
   */
  receive(reply2) {
    if (!this.#sent.has(reply2.tunnel)) return [];
    const ticket = this.#sent.get(reply2.tunnel);
    this.#sent.delete(reply2.tunnel);
    const settled = settle(ticket, reply2.ok ? void 0 : error_of(reply2), reply2.data);
    return this.#sent.size > WINDOW / 2 ? [settled] : [settled, ...this.#fill()];
  }
  /** @returns {Effect[]} */
  #fill() {
    if (!this.#connected || this.#waiting.length === 0) return [];
    return this.#waiting.splice(0, WINDOW - this.#sent.size).map(({ tunnel, ticket, text }) => {
      this.#sent.set(tunnel, ticket);
      this.#waiting_length -= text.length;
      return send(text);
    });
  }
};
function closed() {
  return new SharedStateError("closed", "the client is closed");
}
function error_of({ data, error }) {
  const code = typeof error.code === "string" ? error.code : "failed";
  const reason = [error.message, data].find((each) => typeof each === "string");
  return new SharedStateError(code, reason ?? "the server refused", error);
}

// src/subscription.js
var Subscription = class {
  /** @type {"idle" | "asked" | "subscribed" | "refused"} */
  state = "idle";
  /** @type {unknown} tunnel of the request that asked for it last */
  tunnel = void 0;
  /** @type {"nothing" | "change" | "snapshot"} what was asked for and has not come yet */
  #awaited = "snapshot";
  /** @type {Notification | undefined} the parts that have come, as one */
  #parts = void 0;
  /**
   * @param {string} path
   * @param {Replica} replica
   */
  constructor(path, replica) {
    this.path = path;
    this.replica = replica;
  }
  /**
   * Ask the server, with the request of that tunnel.
   *
   * @param {unknown} tunnel
   * @param {boolean} resume whether what changed since the version held will do
   * @returns {object} the `sub` to send
   */
  ask(tunnel, resume) {
    const { epoch, version } = this.replica;
    this.state = "asked";
    this.tunnel = tunnel;
    this.#parts = void 0;
    if (!resume || epoch === void 0 || version === void 0) {
      this.#awaited = "snapshot";
      return sub_of(void 0);
    }
    this.#awaited = "change";
    return sub_of({ epoch, version });
  }
  connection_lost() {
    this.state = "idle";
  }
  /**
   * What to do about a gap.
   *
   * @param {string | undefined} epoch of the notification that showed it, if known
   * @returns {"resume" | "restart" | "refuse"}
   */
  after_gap(epoch) {
    if (this.#awaited === "snapshot") return "refuse";
    return this.#awaited === "nothing" && epoch === this.replica.epoch ? "resume" : "restart";
  }
  /**
   * @param {Notification} next
   * @returns {Outcome}
   */
  receive(next) {
    if (this.state === "idle" || this.state === "refused") return { verdict: "ignored" };
    const parts = this.#parts;
    this.#parts = void 0;
    const continues = parts && parts.epoch === next.epoch && parts.version === next.version;
    if (!continues && !this.#acceptable(next))
      return { verdict: this.state === "subscribed" ? "gap" : "ignored" };
    const whole = continues ? join(parts, next) : next;
    if (next.more) {
      this.#parts = whole;
      return { verdict: "partial" };
    }
    return this.#apply(whole);
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
  /**
   * @param {Notification} whole
   * @returns {Outcome}
   */
  #apply({ update, epoch, version }) {
    const diffs = this.replica.apply(update);
    this.replica.epoch = epoch;
    this.replica.version = version;
    const synced = this.#awaited !== "nothing";
    this.#awaited = "nothing";
    return { verdict: "applied", diffs, synced };
  }
};
function join(first, next) {
  for (const id of next.update.remove) first.update.remove.push(id);
  for (const item of next.update.insert) first.update.insert.push(item);
  return first;
}

// src/protocol.js
var MAX_WAITING = 1e3;
var ClientCore = class {
  #connected = false;
  #closed = false;
  #requests;
  /** @type {Map<string, Subscription>} by path */
  #subscriptions = /* @__PURE__ */ new Map();
  #next_subs = 0;
  /** @param {{max_waiting?: number}} [options] `max_waiting`: requests that may wait for a connection */
  constructor({ max_waiting = MAX_WAITING } = {}) {
    this.#requests = new Requests(max_waiting);
  }
  /** @returns {Effect[]} */
  connection_opened() {
    this.#connected = true;
    const subscribe = this.#subscribe([...this.#subscriptions.values()], true);
    return [...subscribe, ...this.#requests.connection_opened()];
  }
  /** @returns {Effect[]} */
  connection_lost() {
    this.#connected = false;
    for (const subscription of this.#subscriptions.values()) subscription.connection_lost();
    return this.#requests.connection_lost();
  }
  /**
   * End for good: what is under way is settled, what comes later is refused.
   *
   * @returns {Effect[]}
   */
  close() {
    this.#closed = true;
    this.#connected = false;
    this.#subscriptions.clear();
    return this.#requests.close();
  }
  /**
   * @param {unknown} ticket returned by the `settle` effect of this request
   * @param {"GET" | "PUT"} cmd
   * @param {string} path
   * @param {unknown} [arg]
   * @returns {Effect[]}
   */
  request(ticket, cmd, path, arg) {
    if (this.#closed) return [settle(ticket, closed())];
    return this.#requests.add(ticket, cmd, path, arg);
  }
  /**
   * Keep a replica in sync with a collection. Called again for a path, it has an effect only if the
   * server had refused: it is asked once more.
   *
   * @param {string} path normalised
   * @param {Replica} replica
   * @returns {Effect[]}
   */
  subscribe(path, replica) {
    let subscription = this.#subscriptions.get(path);
    if (subscription && subscription.state !== "refused") return [];
    subscription ??= new Subscription(path, replica);
    this.#subscriptions.set(path, subscription);
    return this.#subscribe([subscription], true);
  }
  /**
   * @param {string} path normalised
   * @returns {Effect[]}
   */
  unsubscribe(path) {
    return this.#subscriptions.delete(path) ? this.#remove(path) : [];
  }
  /**
   * @param {string} text one text frame
   * @returns {Effect[]}
   */
  receive_text(text) {
    const message = decode(text);
    switch (message.kind) {
      case "notification":
        return this.#notified(message);
      case "reply":
        return typeof message.tunnel === "string" ? this.#subscribed(message) : this.#requests.receive(message);
      case "malformed":
        return this.#malformed(message);
      default:
        return [];
    }
  }
  /**
   * @param {Subscription[]} subscriptions
   * @param {boolean} resume
   * @returns {Effect[]}
   */
  #subscribe(subscriptions, resume) {
    if (!this.#connected || subscriptions.length === 0) return [];
    const tunnel = `subs${this.#next_subs++}`;
    const insert = subscriptions.map((each) => [each.path, each.ask(tunnel, resume)]);
    return [send(encode_request("PUT", "/subs", { insert }, tunnel))];
  }
  /**
   * @param {string} path
   * @returns {Effect[]}
   */
  #remove(path) {
    if (!this.#connected) return [];
    return [send(encode_request("PUT", "/subs", { remove: [path] }, "unsubscribe"))];
  }
  /**
   * The server answered to `PUT /subs`.
   *
   * @param {Reply} reply
   * @returns {Effect[]}
   */
  #subscribed(reply2) {
    const by_path = (list) => new Map(Array.isArray(list) ? list.filter(Array.isArray).map(([a, b]) => [a, b]) : []);
    const accepted = by_path(reply2.data);
    const errors = by_path(reply2.errors);
    const effects = [];
    for (const subscription of this.#subscriptions.values()) {
      const { path, state, tunnel } = subscription;
      if (state !== "asked" || tunnel !== reply2.tunnel) continue;
      if (reply2.ok && (accepted.has(path) || !Array.isArray(reply2.data))) {
        subscription.state = "subscribed";
      } else {
        const error = errors.get(path) ?? { code: "refused" };
        const reason = { data: `${path}: not subscribed`, error: is_object(error) ? error : {} };
        effects.push(this.#refuse(subscription, error_of(reply2.ok ? reason : reply2)));
      }
    }
    return effects;
  }
  /**
   * @param {Subscription} subscription
   * @param {SharedStateError} error
   * @returns {Effect}
   */
  #refuse(subscription, error) {
    subscription.state = "refused";
    const { path, replica } = subscription;
    return { kind: "refused", path, replica, error };
  }
  /**
   * @param {Notification} notification
   * @returns {Effect[]}
   */
  #notified(notification2) {
    const { path, epoch } = notification2;
    const subscription = this.#subscriptions.get(path);
    if (!subscription) return [];
    const outcome = subscription.receive(notification2);
    if (outcome.verdict === "gap") return this.#gap(subscription, epoch);
    if (outcome.verdict !== "applied") return [];
    const { replica } = subscription;
    const effects = [];
    const { diffs } = outcome;
    if (diffs.length > 0) effects.push({ kind: "diffs", path, replica, diffs });
    if (outcome.synced) effects.push({ kind: "synced", path, replica });
    return effects;
  }
  /**
   * @param {Malformed} message
   * @returns {Effect[]}
   */
  #malformed({ reason, path }) {
    const error = new SharedStateError("bad_message", `the server sent a bad message: ${reason}`);
    const subscription = path === void 0 ? void 0 : this.#subscriptions.get(path);
    if (subscription?.state !== "subscribed") return [report(error)];
    return [report(error), ...this.#gap(subscription, subscription.replica.epoch)];
  }
  /**
   * Something was missed: subscribe anew. In two requests, because a server may take a path that one
   * request removes and inserts for one that is subscribed already, and send nothing.
   *
   * @param {Subscription} subscription
   * @param {string | undefined} epoch
   * @returns {Effect[]}
   */
  #gap(subscription, epoch) {
    const remedy = subscription.after_gap(epoch);
    const remove = this.#remove(subscription.path);
    if (remedy !== "refuse")
      return [...remove, ...this.#subscribe([subscription], remedy === "resume")];
    const error = new SharedStateError("bad_message", "the server did not send a snapshot");
    return [...remove, this.#refuse(subscription, error)];
  }
};

// src/report.js
function reporter(on_error) {
  return (error) => {
    if (!on_error) return report2(error);
    try {
      on_error(error);
    } catch (thrown) {
      report2(error);
      report2(thrown);
    }
  };
}
function report2(error) {
  if (globalThis.reportError) globalThis.reportError(error);
  else console.error(error);
}

// src/socket.js
var Socket = class {
  #url;
  #WebSocket;
  #listener;
  /** @type {WebSocketLike | undefined} the present connection or attempt */
  #socket = void 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} running between two attempts */
  #timer = void 0;
  #failures = 0;
  /**
   * @param {string} url
   * @param {WebSocketClass} WebSocket
   * @param {Listener} listener
   */
  constructor(url, WebSocket, listener) {
    this.#url = url;
    this.#WebSocket = WebSocket;
    this.#listener = listener;
  }
  /**
   * Start the first attempt.
   *
   * @throws whatever the WebSocket constructor does, if the URL can never work; nothing is started then
   */
  start() {
    this.#open();
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
    clearTimeout(this.#timer);
    this.#timer = void 0;
    const socket = this.#socket;
    this.#socket = void 0;
    socket?.close(1e3);
  }
  #open() {
    const socket = new this.#WebSocket(this.#url);
    this.#socket = socket;
    socket.onopen = () => {
      if (socket === this.#socket) this.#listener.opened();
    };
    socket.onmessage = ({ data }) => {
      if (socket !== this.#socket) return;
      this.#failures = 0;
      if (typeof data === "string") this.#listener.text(data);
    };
    socket.onerror = () => {
    };
    socket.onclose = () => {
      if (socket !== this.#socket) return;
      this.#socket = void 0;
      this.#pause();
      this.#listener.lost();
    };
  }
  #pause() {
    this.#timer = setTimeout(this.#again, backoff(this.#failures++));
  }
  #again = () => {
    this.#timer = void 0;
    try {
      this.#open();
    } catch (error) {
      this.#pause();
      this.#listener.report(error);
    }
  };
  #wake = () => {
    if (this.#timer === void 0) return;
    clearTimeout(this.#timer);
    this.#again();
  };
  #visibility_changed = () => {
    if (globalThis.document.visibilityState === "visible") this.#wake();
  };
};

// src/client.js
var SharedStateClient = class {
  #url;
  #options;
  #core;
  #report;
  /** @type {Socket | undefined} */
  #socket = void 0;
  /** @type {Status} */
  #status = "idle";
  /** @type {Callbacks<Status>} */
  #status_callbacks;
  /** @type {Map<string, Acquired>} by path */
  #acquired = /* @__PURE__ */ new Map();
  /** @type {Map<object, string>} paths by handle */
  #handles = /* @__PURE__ */ new Map();
  /** @type {Effect[]} */
  #effects = [];
  #performing = false;
  /**
   * Nothing is connected yet: `connect`, `acquire`, `get` or `update` does that.
   *
   * @param {string} url `ws://host:port` or `wss://host:port`
   * @param {Options} [options]
   */
  constructor(url, options = {}) {
    this.#url = url;
    this.#options = options;
    this.#core = new ClientCore({ max_waiting: options.max_queue });
    this.#report = reporter(options.on_error);
    this.#status_callbacks = new Callbacks(this.#report);
  }
  /** @returns {Status} */
  get status() {
    return this.#status;
  }
  /**
   * Have a function called with the new status, each time it changes.
   *
   * @param {(status: Status) => unknown} callback what it throws is reported and disturbs nobody
   * @returns {object} handle for `remove_status_callback`
   */
  add_status_callback(callback) {
    return this.#status_callbacks.add(callback);
  }
  /** @param {object} handle of `add_status_callback`; an unknown one has no effect */
  remove_status_callback(handle) {
    this.#status_callbacks.remove(handle);
  }
  /**
   * Connect, and stay connected. May be called any number of times; `acquire`, `get` and `update` imply it.
   *
   * @throws {SharedStateError} `closed` after `close`
   * @throws {TypeError} if there is no WebSocket constructor
   * @throws {DOMException} or what else that constructor throws for a URL that it does not take
   */
  connect() {
    if (this.#status === "closed") throw closed();
    if (this.#socket) return;
    const { WebSocket = globalThis.WebSocket } = this.#options;
    if (!WebSocket) throw new TypeError("no global WebSocket: give one as options.WebSocket");
    const socket = new Socket(this.#url, WebSocket, {
      opened: () => {
        this.#perform(this.#core.connection_opened());
        this.#set_status("connected");
      },
      text: (text) => this.#perform(this.#core.receive_text(text)),
      lost: () => {
        this.#perform(this.#core.connection_lost());
        if (this.#status === "connected") this.#set_status("reconnecting");
      },
      report: this.#report
    });
    socket.start();
    this.#socket = socket;
    this.#set_status("connecting");
  }
  /**
   * End the connection for good. Requests that were not sent are rejected with `closed`, those that were
   * with `connection_lost`. Datasets keep what they have and stay readable.
   */
  close() {
    if (this.#status === "closed") return;
    this.#perform(this.#core.close());
    for (const { ds } of this.#acquired.values()) ds._failed(closed());
    this.#socket?.close();
    this.#set_status("closed");
  }
  /**
   * Get the dataset of a collection, with or without a connection. However often and in whatever spelling
   * a path is acquired, the dataset is the same; each time gives a handle of its own.
   *
   * @param {string} path `/app/service/collection`
   * @returns {[object, Dataset]} handle for `release`, and the dataset
   * @throws {SharedStateError} `bad_path` unless the path has three segments; `closed` after `close`
   */
  acquire(path) {
    const name = collection_path(path);
    this.connect();
    let acquired = this.#acquired.get(name);
    if (!acquired) {
      const ds2 = new Dataset(name, (changes) => this.update(name, changes), this.#report);
      acquired = { ds: ds2, handles: 0 };
      this.#acquired.set(name, acquired);
    }
    acquired.handles++;
    const { ds } = acquired;
    ds._asked();
    this.#perform(this.#core.subscribe(name, ds._replica));
    const handle = Object.freeze({ path: name });
    this.#handles.set(handle, name);
    return [handle, ds];
  }
  /**
   * Give a handle back. With the last one of a dataset, the dataset is released: no longer kept in sync,
   * still readable.
   *
   * @param {object} handle of `acquire`; one that was given back has no effect
   */
  release(handle) {
    const name = this.#handles.get(handle);
    const acquired = name === void 0 ? void 0 : this.#acquired.get(name);
    if (name === void 0 || !acquired) return;
    this.#handles.delete(handle);
    if (--acquired.handles > 0) return;
    this.#acquired.delete(name);
    acquired.ds._release();
    this.#perform(this.#core.unsubscribe(name));
  }
  /**
   * Ask the server for something, once.
   *
   * @param {string} path `/app/service/collection`: a list of items; `/app/service`: names of
   *   collections; `/`: names of services; `/clock`: the server's time, in seconds since the Unix epoch
   * @returns {Promise<any>} Rejects with a `SharedStateError`, as `Dataset.update` does.
   */
  get(path) {
    return this.#request("GET", () => [path, void 0]);
  }
  /**
   * Change a collection, acquired or not. See `Dataset.update`.
   *
   * @param {string} path `/app/service/collection`
   * @param {Changes} changes not modified
   * @returns {Promise<any>} number of ids touched. Rejects with a `SharedStateError`; may be ignored.
   */
  update(path, changes) {
    return this.#request("PUT", () => [collection_path(path), with_ids(changes)]);
  }
  /**
   * @param {"GET" | "PUT"} cmd
   * @param {() => [string, unknown]} make path and argument
   * @returns {Promise<any>}
   */
  #request(cmd, make) {
    const promise = new Promise((resolve, reject) => {
      const [path, arg] = make();
      this.connect();
      this.#perform(this.#core.request({ resolve, reject }, cmd, normal_path(path), arg));
    });
    promise.catch(() => {
    });
    return promise;
  }
  /**
   * Perform effects in the order the core returned them, also if a callback asks for more meanwhile.
   *
   * @param {Effect[]} effects
   */
  #perform(effects) {
    for (const effect of effects) this.#effects.push(effect);
    if (this.#performing) return;
    this.#performing = true;
    for (const effect of this.#effects) this.#perform_one(effect);
    this.#effects = [];
    this.#performing = false;
  }
  /** @param {Effect} effect */
  #perform_one(effect) {
    if (effect.kind === "send") {
      this.#socket?.send(effect.text);
    } else if (effect.kind === "settle") {
      const { resolve, reject } = (
        /** @type {Ticket} */
        effect.ticket
      );
      if (effect.error) reject(effect.error);
      else resolve(effect.data);
    } else if (effect.kind === "report") {
      this.#report(effect.error);
    } else if (effect.kind === "status") {
      this.#status_callbacks.call(effect.status);
    } else {
      const ds = this.#acquired.get(effect.path)?.ds;
      if (ds?._replica !== effect.replica) return;
      if (effect.kind === "diffs") ds._tell(effect.diffs);
      else if (effect.kind === "synced") ds._synced();
      else {
        ds._failed(effect.error);
        this.#report(effect.error);
      }
    }
  }
  /** @param {Status} status */
  #set_status(status) {
    this.#status = status;
    this.#perform([{ kind: "status", status }]);
  }
};
export {
  Dataset,
  SharedStateClient,
  SharedStateError
};
