/*! SharedState client 0.2.0, BSD-2-Clause */
/**
 * null: nobody; undefined: nothing is said about that
 */
type Token = string | null | undefined;
type TokenFunction = (ask: {
    reason: string;
}) => Token | Promise<Token>;

declare const SharedStateError_base: new (...args: any[]) => Error & Details;
/**
 * @typedef {"bad_message" | "bad_path" | "bad_update" | "no_service" | "unauthenticated" | "forbidden" | "conflict"
 *   | "mismatch" | "too_large" | "too_many" | "unavailable" | "internal" | "connection_lost" | "closed" | "unreachable" | "sent_away"
 *   | "released" | "bad_url" | "bad_option" | "refused" | "failed"} ErrorCode
 */
/**
 * @typedef {object} Details members that some errors have
 * @property {number} [close_code]
 * @property {unknown} [outcome]
 * @property {unknown} [reason]
 * @property {unknown} [place]
 * @property {unknown} [ids]
 * @property {unknown} [rule]
 * @property {unknown} [retry_after]
 * @property {unknown} [epoch]
 * @property {unknown} [version]
 */
/**
 * The only class of errors that this package creates.
 *
 * `code` is for programs, `message` for people. Codes of the server: `bad_message`,
 * `bad_path`, `bad_update`, `no_service`, `unauthenticated`, `forbidden`, `conflict`, `mismatch`, `too_large`,
 * `too_many`, `unavailable`, `internal`. Codes of this client:
 *
 * - `connection_lost`: the request was sent, but the connection was lost before the answer came. Whether it took
 *   effect is unknown (`outcome` is "unknown"); the dataset shows it once it is in sync again.
 * - `too_large`: the server closed the connection because a message was too long for it; this request was the
 *   longest unanswered one, and was not accepted. Or the parts of a dataset's snapshot exceed `max_snapshot`.
 * - `closed`: the client was closed; the request was never sent.
 * - `unreachable`: all attempts to connect that the option `retries` allows have failed; the request was never
 *   sent. It is also reported, once, if the first two attempts fail: browsers do not say why.
 * - `sent_away`: the server closed the connection with `close_code`, 4400 to 4499, and the client does not
 *   reconnect; `message` is the server's reason. Requests that were not sent are rejected with it, and it is
 *   reported.
 * - `released`: the dataset was released before it was in sync, or was used after its release.
 * - `too_many`: the queue of requests waiting for a connection is full; the request was not sent.
 * - `bad_path`: refused before it was sent, for a reason that the server would give too; `bad_update` likewise, or
 *   the update has an unknown member or a value that JSON cannot express; `message` names the place.
 * - `bad_url`, `bad_option`: the constructor rejected its arguments (not in the lean core), or there is no WebSocket.
 * - `bad_message`: the server broke the protocol (reported, never a reply), or does not answer.
 * - `refused`: the server omitted a path from the subscriptions without a reason (level 1).
 * - `failed`: the server refused a request without a code (level 1), and `message` is its reason; or the request
 *   needs what the server does not have: conditions or transactions, filters, patches.
 *
 * Further members of the reply are copied: `outcome` ("unknown") with `unavailable`; `epoch` and
 * `version`, the collection's current state, with `conflict`; `reason` with `unauthenticated`; `place`, where in an update
 * the fault is, such as `insert[3]`, and `ids` of the items, with `mismatch`; `rule`, for administrators; `retry_after`,
 * seconds, with `too_many` where time helps.
 */
declare class SharedStateError extends SharedStateError_base {
    /**
     * @param {string} code what happened, for programs
     * @param {string} message one sentence, for people
     * @param {object} [members] further members to copy
     * @param {ErrorOptions} [options] `cause`: what led to it
     */
    constructor(code: string, message: string, members?: object, options?: ErrorOptions);
    code: ErrorCode;
}
/** To be thrown by the function `token`: nobody is signed in, and it is not asked again until `connect` is called. */
declare class Unauthorized extends Error {
}
type ErrorCode = "bad_message" | "bad_path" | "bad_update" | "no_service" | "unauthenticated" | "forbidden" | "conflict" | "mismatch" | "too_large" | "too_many" | "unavailable" | "internal" | "connection_lost" | "closed" | "unreachable" | "sent_away" | "released" | "bad_url" | "bad_option" | "refused" | "failed";
/**
 * members that some errors have
 */
type Details = {
    close_code?: number | undefined;
    outcome?: unknown;
    reason?: unknown;
    place?: unknown;
    ids?: unknown;
    rule?: unknown;
    retry_after?: unknown;
    epoch?: unknown;
    version?: unknown;
};

/**
 * where an item stands in the order of its collection
 */
type At = readonly [created: number, place: number];

/**
 * An item: a JSON object with an id.
 */
type Item = {
    id: string;
    [member: string]: any;
};
/**
 * What happened to one item: no `old` for an insert, no `new` for a delete.
 */
type Diff<T extends {
    id: string;
} = Item> = {
    id: string;
    new: T;
    old: undefined;
} | {
    id: string;
    new: T;
    old: T;
} | {
    id: string;
    new: undefined;
    old: T;
};

/**
 * what the server knows of a user
 */
type User = {
    id: string;
    [member: string]: any;
};

/**
 * The part of a WebSocket that is used here; any implementation will do.
 */
type WebSocketLike = {
    onopen: ((event: any) => void) | null;
    onmessage: ((event: any) => void) | null;
    onerror: ((event: any) => void) | null;
    onclose: ((event: any) => void) | null;
    send: (text: string) => void;
    close: (code?: number) => void;
};
type WebSocketClass = new (url: string) => WebSocketLike;

/**
 * `idle`: not connecting yet; or gave up, after `retries` attempts or because the server sent the client away.
 * `connecting`: not connected yet. `reconnecting`: was connected, and is trying again. `closed`: for good.
 * `unauthenticated`: connected, but the server has refused the token, or the function `token` has thrown `Unauthorized`.
 */
type Status = "idle" | "connecting" | "connected" | "unauthenticated" | "reconnecting" | "closed";
type Options = {
    /**
     * constructor; default: the global one. Node
     * 20 has none: pass one from a package such as `ws`.
     */
    WebSocket?: WebSocketClass | undefined;
    /**
     * number of requests that may wait for a connection; default 1000. With 0, what
     * cannot be sent at once is refused.
     */
    max_queue?: number | undefined;
    /**
     * attempts in a row that may fail before the client gives up and is `idle` again;
     * default: no limit. A connection that stands for less than 20 s is a failure, too
     */
    retries?: number | undefined;
    /**
     * seconds of silence after which a connection counts as dead; default 30; never with
     * Infinity or more than 74 days
     */
    timeout?: number | undefined;
    /**
     * seconds within which the server must answer each request, or the connection
     * counts as dead; default 120, measured in thirds of `timeout`
     */
    answer_timeout?: number | undefined;
    /**
     * characters of JSON text that the parts of one snapshot may have together; one
     * with more is refused, `too_large`; default 268,435,456
     */
    max_snapshot?: number | undefined;
    /**
     * shows the server whose the connections are: a string, or
     * a function, plain or async, that returns one, or null for nobody. It is asked at every attempt to connect, never
     * twice at once, and before a token expires; `reason` tells why: "connect", "expires", or what the server says of the last
     * one ("expired", "invalid"…). What it throws is reported, and it is asked again after a pause, unless it is an
     * `Unauthorized`
     */
    token?: string | TokenFunction | undefined;
    /**
     * receives errors that nothing else reports: what a callback
     * threw, a refused subscription whose `ready` was never read, a message that breaks the protocol, why there is
     * no connection (`unreachable`, `sent_away`). Default: `reportError` in a page or worker, otherwise
     * `console.error`.
     */
    on_error?: ((error: unknown) => void) | undefined;
    /**
     * ignored: pages of the first generation pass it
     */
    debug?: boolean | undefined;
};

type Scalar = string | number | boolean | null;
/**
 * All that is there must hold: equal to a scalar; a list that `has` it; a string with that `prefix`; whether the member
 * `exists`. A number is compared with numbers, a string with strings. What cannot be compared does not hold; `ne` is
 * the opposite of `eq`.
 */
type Tests = {
    eq?: Scalar | undefined;
    ne?: Scalar | undefined;
    lt?: string | number | undefined;
    lte?: string | number | undefined;
    gt?: string | number | undefined;
    gte?: string | number | undefined;
    in?: readonly Scalar[] | undefined;
    has?: Scalar | undefined;
    prefix?: string | undefined;
    exists?: boolean | undefined;
};
/**
 * Tests by the names of members, or JSON Pointers such as "/geo/lat"; a scalar stands for `eq`. All must hold, and those in
 * `and`, one of those in `or`, and not what is in `not`.
 */
type Where = {
    readonly and?: readonly Where[];
    readonly or?: readonly Where[];
    readonly not?: Where;
    readonly [member: string]: Scalar | Tests | Where | readonly Where[] | undefined;
};
type FilterOptions = {
    /**
     * only items for which this holds
     */
    where?: Where | undefined;
    /**
     * only so many: the newest, 1 to 1000
     */
    last?: number | undefined;
    /**
     * only these members of each item, and `id`
     */
    fields?: readonly string[] | undefined;
};

declare global {
    /** From the `lib` "esnext.disposable", so that these types do not require it. */
    interface SymbolConstructor {
        readonly dispose: unique symbol;
    }
}
/** What `using` ends. */
interface Disposable {
    [Symbol.dispose]: () => void;
}

type Until = {
    /**
     * ends it when it is aborted
     */
    signal?: AbortSignal | undefined;
};

/**
 * A change of a collection, applied by the server in one step: with `reset` every item is removed, otherwise the
 * ids of `remove`; then the items of `insert` are set, in order; then members are changed as `patch` says, in order. All
 * members are optional. A plain object of `insert` without `id` gets a random one.
 */
type Changes<T extends {
    id: string;
} = Item> = {
    /**
     * ids
     */
    remove?: readonly string[] | undefined;
    /**
     * items; each replaces the one with the same id
     */
    insert?: readonly New<T>[] | undefined;
    /**
     * default false
     */
    reset?: boolean | undefined;
    /**
     * changes of single members; if one does not fit, the error is `mismatch`, and nothing
     * of the update is done
     */
    patch?: readonly Patch[] | undefined;
    /**
     * apply only if these ids (default: the whole collection) have
     * not changed after that version; otherwise the error is `conflict`
     */
    if?: (Cursor & {
        ids?: readonly string[];
    }) | undefined;
};
/**
 * An item, with or without its id; distributes over unions.
 */
type New<T extends {
    id: string;
}> = T extends unknown ? T | (Omit<T, "id"> & {
    id?: string;
}) : never;
/**
 * Changes of members of one item, which keep the others, whoever changes them. A member is given by its name, or by a JSON
 * Pointer into objects, such as `/size/width`, and at most once.
 */
type Patch = {
    /**
     * of the item
     */
    id: string;
    /**
     * values by member
     */
    set?: Readonly<Record<string, unknown>> | undefined;
    /**
     * members that go
     */
    unset?: readonly string[] | undefined;
    /**
     * numbers to be added to members, which begin at 0
     */
    inc?: Readonly<Record<string, number>> | undefined;
    /**
     * members that become the time of the server, in seconds since the Unix epoch
     */
    now?: readonly string[] | undefined;
    /**
     * values to be added at the end of lists, those that are not there
     */
    add?: Readonly<Record<string, readonly unknown[]>> | undefined;
    /**
     * values that go from lists, wherever they are
     */
    pull?: Readonly<Record<string, readonly unknown[]>> | undefined;
    /**
     * whether an item that is not there begins with nothing but its id; otherwise the error is
     * `mismatch`
     */
    upsert?: boolean | undefined;
};
/**
 * a state of a collection
 */
type Cursor = {
    epoch: string;
    version: number;
};

/** @import { Changes } from "./changes.js" */
/** @import { FilterOptions } from "./filter.js" */
/** @import { Disposable } from "../util/disposable.js" */
/** @import { Until } from "../util/lifetime.js" */
/** @import { Diff, Item } from "../protocol/replica.js" */
/** @typedef {(() => void) & Disposable} Unsubscribe */
/**
 * The local copy of one collection, or of a part of it, kept in sync by the client from which it was acquired. After a lost connection
 * it keeps its items, and the same object is brought up to date.
 *
 * Items are not copied: do not modify them; `update` changes the collection. They are in order of insertion into it.
 *
 * @template {{id: string}} [T=Item]
 */
declare class Dataset<T extends {
    id: string;
} = Item> {
    protected constructor();
    /** @readonly only items for which this holds; undefined: all */
    readonly where: Where | undefined;
    /** @readonly only so many, the newest; undefined: all */
    readonly last: number | undefined;
    /** @readonly only these members of each item, and `id`; undefined: all */
    readonly fields: readonly string[] | undefined;
    /** Path of the collection, `/app/service/collection`. */
    get path(): string;
    /**
     * The place of its first item in the order of the collection, for `client.page`; undefined if there are no items, or if this is
     * a whole collection.
     */
    get before(): At | undefined;
    /** Number of items. */
    get size(): number;
    /**
     * Resolves at the first sync, when the items are available; rejects with a `SharedStateError` if the server
     * refuses (`bad_path`, `no_service`, `forbidden`…), or with `released` or `closed` if that comes first. May be
     * ignored; a refusal is reported unless this promise was read. After a rejection it is replaced by a new promise
     * when the path is acquired again, when the server accepts after a reconnect, or when a client that was sent
     * away or gave up connects again.
     *
     * @returns {Promise<void>}
     */
    get ready(): Promise<void>;
    /**
     * @param {string} id
     * @returns {T | undefined}
     */
    get_item(id: string): T | undefined;
    /**
     * @param {string} id
     * @returns {boolean}
     */
    has_item(id: string): boolean;
    /**
     * @returns {T[]} all items, in order, in a new list
     */
    get_items(): T[];
    /**
     * All items, in order, in a frozen list: the same list until something changes; an item that did not change is
     * the same object in the next list. It is made on demand.
     *
     * @returns {readonly T[]}
     */
    get snapshot(): readonly T[];
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
    update(changes: Changes<T>, until?: Until): Promise<number>;
    /**
     * Call a function after each change, once for each notification of the server, with a list of
     * diffs: one for each item that was inserted, replaced or removed, never empty. The dataset already shows the
     * new state.
     *
     * @param {(diffs: Diff<T>[]) => unknown} callback what it throws is reported and affects nothing else
     * @returns {object} handle for `remove_callback`
     */
    add_callback(callback: (diffs: Diff<T>[]) => unknown): object;
    /**
     * Like `add_callback`, but needs no `this`, so that it can be passed as a function.
     *
     * @param {(diffs: Diff<T>[]) => unknown} callback
     * @param {Until} [until] a signal that ends it
     * @returns {Unsubscribe} ends it; with `using`, at the end of the block
     */
    subscribe: (callback: (diffs: Diff<T>[]) => unknown, { signal }?: Until) => Unsubscribe;
    /**
     * @param {object} handle from `add_callback`; an unknown one has no effect
     */
    remove_callback(handle: object): void;
    #private;
}
type Unsubscribe = (() => void) & Disposable;

/** @import { Acquired } from "./acquired.js" */
/** @import { Changes } from "./changes.js" */
/** @import { FilterOptions } from "./filter.js" */
/** @import { Disposable } from "../util/disposable.js" */
/** @import { Until } from "../util/lifetime.js" */
/** @import { Options, Status } from "./options.js" */
/** @import { User } from "../protocol/effects.js" */
/** @import { Item } from "../protocol/replica.js" */
/** @import { At } from "../protocol/views.js" */
/** @typedef {{path: string} & Disposable} Handle for `release`, or for `using` */
/**
 * @template {{id: string}} [T=Item]
 * @typedef {object} Page
 * @property {T[]} items in order
 * @property {At[] | undefined} at their places in the order of the collection; undefined if it was asked for all
 * @property {At | undefined} before asks for the next page, of older items; undefined if there are no items, or if it was
 *   asked for all
 * @property {boolean} more whether there are older ones
 */
/**
 * A connection to a SharedState server and the datasets that it keeps in sync. It reconnects by itself until it is
 * closed. This is the lean core; `full.js` builds on it.
 */
declare class SharedStateClient {
    /**
     * It does not connect yet: `connect`, `acquire`, `get` or `update` will.
     *
     * @param {string} url `ws://host:port` or `wss://host:port`
     * @param {Options} [options]
     */
    constructor(url: string, options?: Options);
    /** @returns {Status} */
    get status(): Status;
    /**
     * Call a function with the new status each time it changes.
     *
     * @param {(status: Status) => unknown} callback what it throws is reported, and affects nothing else
     * @returns {object} handle for `remove_status_callback`
     */
    add_status_callback(callback: (status: Status) => unknown): object;
    /** @param {object} handle from `add_status_callback`; an unknown one has no effect */
    remove_status_callback(handle: object): void;
    /**
     * Whose the connection is, as far as the server has said: an object with an `id`, and what else the server knows of
     * the user; null for nobody. It stays while the connection is lost.
     *
     * @returns {User | null}
     */
    get user(): User | null;
    /**
     * Call a function with the new user each time it changes.
     *
     * @param {(user: User | null) => unknown} callback what it throws is reported, and affects nothing else
     * @returns {object} handle for `remove_user_callback`
     */
    add_user_callback(callback: (user: User | null) => unknown): object;
    /** @param {object} handle from `add_user_callback`; an unknown one has no effect */
    remove_user_callback(handle: object): void;
    /**
     * Sign out, on this connection and later ones: what nobody may read becomes empty. `connect` asks for a token again, if
     * there is a function `token`.
     */
    sign_out(): void;
    /**
     * Time of the next attempt to connect, in milliseconds since the Unix epoch, like `Date.now()`; undefined unless
     * the client is pausing between two attempts.
     *
     * @returns {number | undefined}
     */
    get next_attempt(): number | undefined;
    /**
     * Connect, and stay connected. May be called any number of times: in a pause between two attempts, the next one
     * is made at once, and if nobody is signed in, a token is asked for. `acquire`, `get` and `update` also connect if the
     * client is idle.
     *
     * @throws {SharedStateError} `closed` after `close`; `bad_option` if there is no WebSocket constructor
     * @throws {DOMException} or whatever that constructor throws for a URL that it rejects
     */
    connect(): void;
    /**
     * Close the connection for good. Requests that were not sent are rejected with `closed`, sent ones with
     * `connection_lost`. Datasets keep their items and stay readable.
     */
    close(): void;
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
    acquire<T extends {
        id: string;
    } = Item>(path: string, { signal, ...options }?: FilterOptions & Until): [Handle, Dataset<T>];
    /**
     * Release a handle. With the last handle of a dataset, the dataset is released: no longer kept in sync, but
     * still readable.
     *
     * @param {object} handle from `acquire`; one that was already released has no effect
     */
    release(handle: object): void;
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
    get<R = unknown>(path: string, options?: FilterOptions & Until & {
        before?: At;
        after?: string;
        limit?: number;
    }): Promise<R>;
    /**
     * Read a part of a collection, once: with `last`, its newest items; with `before` too, those before a place in the order,
     * which is the member `before` of a dataset or of another page.
     *
     * @template {{id: string}} [T=Item]
     * @param {string} path `/app/service/collection`
     * @param {FilterOptions & Until & {before?: At}} [options]
     * @returns {Promise<Page<T>>} Rejects as `get` does.
     */
    page<T extends {
        id: string;
    } = Item>(path: string, { signal, before, ...options }?: FilterOptions & Until & {
        before?: At;
    }): Promise<Page<T>>;
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
    update<T extends {
        id: string;
    } = Item>(path: string, changes: Changes<T>, until?: Until): Promise<number>;
    [Symbol.dispose](): void;
    #private;
}
/**
 * for `release`, or for `using`
 */
type Handle = {
    path: string;
} & Disposable;
type Page<T extends {
    id: string;
} = Item> = {
    /**
     * in order
     */
    items: T[];
    /**
     * their places in the order of the collection; undefined if it was asked for all
     */
    at: At[] | undefined;
    /**
     * asks for the next page, of older items; undefined if there are no items, or if it was
     * asked for all
     */
    before: At | undefined;
    /**
     * whether there are older ones
     */
    more: boolean;
};

/** @type {string} the version of this package, as in `package.json`: without a commit, for bundles are reproducible */
declare const version: string;

export { Dataset, SharedStateClient, SharedStateError, Unauthorized, version };
