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
    code: ErrorCode$1;
}
/** To be thrown by the function `token`: nobody is signed in, and it is not asked again until `connect` is called. */
declare class Unauthorized extends Error {
}
type ErrorCode$1 = "bad_message" | "bad_path" | "bad_update" | "no_service" | "unauthenticated" | "forbidden" | "conflict" | "mismatch" | "too_large" | "too_many" | "unavailable" | "internal" | "connection_lost" | "closed" | "unreachable" | "sent_away" | "released" | "bad_url" | "bad_option" | "refused" | "failed";
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
type At$1 = readonly [created: number, place: number];

/**
 * An item: a JSON object with an id.
 */
type Item$1 = {
    id: string;
    [member: string]: any;
};
/**
 * What happened to one item: no `old` for an insert, no `new` for a delete.
 */
type Diff$1<T extends {
    id: string;
} = Item$1> = {
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
type User$1 = {
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
type Status$1 = "idle" | "connecting" | "connected" | "unauthenticated" | "reconnecting" | "closed";
type Options$1 = {
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
type Where$1 = {
    readonly and?: readonly Where$1[];
    readonly or?: readonly Where$1[];
    readonly not?: Where$1;
    readonly [member: string]: Scalar | Tests | Where$1 | readonly Where$1[] | undefined;
};
type FilterOptions$1 = {
    /**
     * only items for which this holds
     */
    where?: Where$1 | undefined;
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

type Until$1 = {
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
type Changes$1<T extends {
    id: string;
} = Item$1> = {
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
    if?: (Cursor$1 & {
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
 * Values for members of an item, by name or by JSON Pointer; distributes over unions.
 */
type Members<T extends {
    id: string;
}> = T extends unknown ? Readonly<Partial<Omit<T, "id">>> & Readonly<Record<`/${string}`, unknown>> : never;
/**
 * a state of a collection
 */
type Cursor$1 = {
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
declare class Dataset$1<T extends {
    id: string;
} = Item$1> {
    protected constructor();
    /** @readonly only items for which this holds; undefined: all */
    readonly where: Where$1 | undefined;
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
    get before(): At$1 | undefined;
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
    update(changes: Changes$1<T>, until?: Until$1): Promise<number>;
    /**
     * Call a function after each change, once for each notification of the server, with a list of
     * diffs: one for each item that was inserted, replaced or removed, never empty. The dataset already shows the
     * new state.
     *
     * @param {(diffs: Diff<T>[]) => unknown} callback what it throws is reported and affects nothing else
     * @returns {object} handle for `remove_callback`
     */
    add_callback(callback: (diffs: Diff$1<T>[]) => unknown): object;
    /**
     * Like `add_callback`, but needs no `this`, so that it can be passed as a function.
     *
     * @param {(diffs: Diff<T>[]) => unknown} callback
     * @param {Until} [until] a signal that ends it
     * @returns {Unsubscribe} ends it; with `using`, at the end of the block
     */
    subscribe: (callback: (diffs: Diff$1<T>[]) => unknown, { signal }?: Until$1) => Unsubscribe;
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
declare class SharedStateClient$1 {
    /**
     * It does not connect yet: `connect`, `acquire`, `get` or `update` will.
     *
     * @param {string} url `ws://host:port` or `wss://host:port`
     * @param {Options} [options]
     */
    constructor(url: string, options?: Options$1);
    /** @returns {Status} */
    get status(): Status$1;
    /**
     * Call a function with the new status each time it changes.
     *
     * @param {(status: Status) => unknown} callback what it throws is reported, and affects nothing else
     * @returns {object} handle for `remove_status_callback`
     */
    add_status_callback(callback: (status: Status$1) => unknown): object;
    /** @param {object} handle from `add_status_callback`; an unknown one has no effect */
    remove_status_callback(handle: object): void;
    /**
     * Whose the connection is, as far as the server has said: an object with an `id`, and what else the server knows of
     * the user; null for nobody. It stays while the connection is lost.
     *
     * @returns {User | null}
     */
    get user(): User$1 | null;
    /**
     * Call a function with the new user each time it changes.
     *
     * @param {(user: User | null) => unknown} callback what it throws is reported, and affects nothing else
     * @returns {object} handle for `remove_user_callback`
     */
    add_user_callback(callback: (user: User$1 | null) => unknown): object;
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
    } = Item$1>(path: string, { signal, ...options }?: FilterOptions$1 & Until$1): [Handle$1, Dataset$1<T>];
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
    get<R = unknown>(path: string, options?: FilterOptions$1 & Until$1 & {
        before?: At$1;
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
    } = Item$1>(path: string, { signal, before, ...options }?: FilterOptions$1 & Until$1 & {
        before?: At$1;
    }): Promise<Page$1<T>>;
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
    } = Item$1>(path: string, changes: Changes$1<T>, until?: Until$1): Promise<number>;
    [Symbol.dispose](): void;
    #private;
}
/**
 * for `release`, or for `using`
 */
type Handle$1 = {
    path: string;
} & Disposable;
type Page$1<T extends {
    id: string;
} = Item$1> = {
    /**
     * in order
     */
    items: T[];
    /**
     * their places in the order of the collection; undefined if it was asked for all
     */
    at: At$1[] | undefined;
    /**
     * asks for the next page, of older items; undefined if there are no items, or if it was
     * asked for all
     */
    before: At$1 | undefined;
    /**
     * whether there are older ones
     */
    more: boolean;
};

/** @import { Item } from "../protocol/replica.js" */
/**
 * @template {{id: string}} [T=Item]
 * @typedef {object} ViewerOptions
 * @property {boolean} [delete] whether each row has a button to remove its item; default false
 * @property {(item: T) => string} [toString] the text of a row; default: the item as JSON. Anything else that it returns is
 *   shown as JSON, and if it throws, that is reported and the item shown as JSON
 * @property {import("../api/client.js").SharedStateClient} [filter] the client of the dataset: ahead of the rows there is a
 *   field for a filter, as JSON such as {"done": false}. What is shown stays until what it asks for has come
 */
/**
 * Shows a dataset in an element of a page, one row per item, in order. Everything is shown as text, never as
 * markup, and any id works. An item's row stays the same element while the item changes. It needs no style or
 * script that a strict Content-Security-Policy would refuse.
 *
 * A row is `<div role="listitem" class="list-item">` with a `<span>` and, if asked for, a `<button>`. The field for a filter is
 * an `<input class="list-filter">` before the element.
 *
 * @template {{id: string}} [T=Item]
 */
declare class DatasetViewer<T extends {
    id: string;
} = Item$1> {
    /**
     * @param {import("../api/dataset.js").Dataset<T>} ds
     * @param {HTMLElement} element its content is replaced
     * @param {ViewerOptions<T>} [options]
     */
    constructor(ds: Dataset$1<T>, element: HTMLElement, options?: ViewerOptions$1<T>);
    /** Stop following the dataset; the rows stay as they are, with their buttons disabled. */
    close(): void;
    #private;
}
type ViewerOptions$1<T extends {
    id: string;
} = Item$1> = {
    /**
     * whether each row has a button to remove its item; default false
     */
    delete?: boolean | undefined;
    /**
     * the text of a row; default: the item as JSON. Anything else that it returns is
     * shown as JSON, and if it throws, that is reported and the item shown as JSON
     */
    toString?: ((item: T) => string) | undefined;
    /**
     * the client of the dataset: ahead of the rows there is a
     * field for a filter, as JSON such as {"done": false}. What is shown stays until what it asks for has come
     */
    filter?: SharedStateClient$1 | undefined;
};

/** @import { Changes, Cursor, Members, Patch } from "../api/changes.js" */
/** @import { Dataset } from "../api/dataset.js" */
/** @import { Item } from "../protocol/replica.js" */
/**
 * The dataset as a transaction sees it: with its own writes so far.
 *
 * @template {{id: string}} [T=Item]
 */
declare class Transaction$1<T extends {
    id: string;
} = Item$1> {
    protected constructor();
    /**
     * @param {string} id
     * @returns {T | undefined}
     */
    get_item(id: string): T | undefined;
    /** @param {string} id */
    has_item(id: string): boolean;
    /**
     * @returns {T[]} all items, in order; afterwards any change by others is a conflict
     */
    get_items(): T[];
    /** Number of items; afterwards any change by others is a conflict. */
    get size(): number;
    /**
     * Add to the batch that will be sent when the function returns.
     *
     * @param {Omit<Changes<T>, "if">} changes as for `Dataset.update`
     * @throws {SharedStateError} `bad_update`, and nothing is added: the changes are invalid, or the function has ended
     */
    update(changes: Omit<Changes$1<T>, "if">): void;
    /**
     * Set members of one item, and keep the others; see `Dataset.patch`. What was not read may be changed by others meanwhile.
     *
     * @param {string} id
     * @param {Members<T>} members
     */
    patch(id: string, members: Members<T>): void;
    /**
     * Add to a number in an item; see `Dataset.increment`.
     *
     * @param {string} id
     * @param {string} member
     * @param {number} [by]
     */
    increment(id: string, member: string, by?: number): void;
    #private;
}

/** @import { Diff, Item } from "../protocol/replica.js" */
/**
 * A list of items stored in one item of a collection, as its member `state`, and always replaced as a whole. Good
 * for small sets of data that belong together.
 *
 * @template {{id: string}} [T=Item]
 */
declare class SharedObject$1<T extends {
    id: string;
} = Item$1> {
    protected constructor();
    /** Id of the item that holds the list. */
    get id(): string;
    /** @returns {T[]} the items, in a new list; empty if there is no such item */
    get_items(): T[];
    /**
     * @param {string} id
     * @returns {T | undefined}
     */
    get_item(id: string): T | undefined;
    /** @param {string} id */
    has_item(id: string): boolean;
    /**
     * Replace the whole list. Of several items with the same id the last one counts, in the place of the first.
     *
     * @param {readonly import("../api/changes.js").New<T>[]} items not modified; one without `id` gets a random one
     * @returns {Promise<any>} as of `Dataset.update`
     * @throws {TypeError} unless it is a list
     * @throws {import("../protocol/errors.js").SharedStateError} `bad_update` if an item is not JSON, or has an id that is not a string
     */
    set_items(items: readonly New<T>[]): Promise<any>;
    /**
     * Have a function called after each change of the list.
     *
     * @param {(diffs: Diff<T>[]) => unknown} callback gets one diff for each item of the list that is not what
     *   it was, or has moved; never none
     * @returns {object} handle for `remove_callback`
     */
    add_callback(callback: (diffs: Diff$1<T>[]) => unknown): object;
    /** @param {object} handle from `add_callback`; an unknown one has no effect */
    remove_callback(handle: object): void;
    #private;
}

/** @typedef {{skew: number, trans: number, at: number}} Sample */
declare class Clock$1 {
    protected constructor();
    /** Resolves at the first sample. Rejects with `closed` if the client is closed first. */
    get ready(): Promise<void>;
    /**
     * The server's time, in seconds since the Unix epoch. Never goes backwards. Before the first sample it is this
     * computer's own.
     *
     * @returns {number}
     */
    now(): number;
    /** How far the server's clock is ahead of this computer's, in seconds. */
    get skew(): number;
    /** One-way latency in seconds, according to the best sample. */
    get trans(): number;
    /** Maximum error of `skew`, in seconds; Infinity before the first sample. */
    get error(): number;
    #private;
}

/** @type {string} the version of this package, as in `package.json`: without a commit, for bundles are reproducible */
declare const version: string;

/** @import { Members } from "../api/changes.js" */
/** @import { Handle } from "../api/client.js" */
/** @import { FilterOptions } from "../api/filter.js" */
/** @import { Until } from "../util/lifetime.js" */
/** @import { Options } from "../api/options.js" */
/** @import { Diff, Item } from "../protocol/replica.js" */
/**
 * The local copy of one collection.
 *
 * @template {{id: string}} [T=Item]
 * @extends {CoreDataset<T>}
 */
declare class Dataset<T extends {
    id: string;
} = Item$1> extends Dataset$1<T> {
    /**
     * The state that the dataset shows, for `if`; undefined before the first sync, and with a server of level 1.
     *
     * @returns {import("../api/changes.js").Cursor | undefined}
     */
    get cursor(): Cursor$1 | undefined;
    /**
     * Set members of one item, and keep the others, whoever changes them meanwhile.
     *
     * @param {string} id of the item
     * @param {Members<T>} members values by name, or by JSON Pointer; see `Patch` for what else an `update`
     *   can do to members
     * @param {Until} [until] a signal that withdraws the request, unless it was sent
     * @returns {Promise<number>} 1. Rejects as `update` does, with `mismatch` if there is no such item. May be ignored.
     */
    patch(id: string, members: Members<T>, until?: Until$1): Promise<number>;
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
    increment(id: string, member: string, by?: number, until?: Until$1): Promise<number>;
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
    transaction<R>(run: (transaction: Transaction$1<T>) => R): Promise<Awaited<R>>;
    /**
     * The changes as they arrive, for `for await`. Changes that arrive while the loop is busy are merged into one
     * list. It ends when the dataset is released or the client is closed.
     *
     * @param {Until} [until] a signal that ends it
     * @returns {AsyncIterableIterator<Diff<T>[]>}
     */
    changes({ signal }?: Until$1): AsyncIterableIterator<Diff$1<T>[]>;
    [Symbol.asyncIterator](): AsyncIterableIterator<Diff$1<T>[]>;
    #private;
}
/**
 * A connection to a SharedState server and the datasets that it keeps in sync. It reconnects by itself until it is
 * closed.
 */
declare class SharedStateClient extends SharedStateClient$1 {
    /** The server's clock; it costs nothing until it is used. */
    get clock(): Clock$1;
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
    acquire<T extends {
        id: string;
    } = Item$1>(path: string, options?: FilterOptions$1 & Until$1): [Handle$1, Dataset<T>];
    /**
     * Go through a list of names page by page, however long it is: `for await (const names of client.pages(path))`. Names
     * are sorted by code point. Each page is what is there when it is read.
     *
     * @param {string} path `/app/service`: names of collections; `/apps`: names of apps
     * @param {{limit?: number} & Until} [options] `limit`: names of a page at most; default: as many as the server gives
     * @returns {AsyncGenerator<string[], void, void>} Throws as `get` rejects.
     */
    pages(path: string, options?: {
        limit?: number;
    } & Until$1): AsyncGenerator<string[], void, void>;
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
    acquire_object<T extends {
        id: string;
    } = Item$1>(path: string, id: string, until?: Until$1): [Handle$1, SharedObject$1<T>];
    #private;
}

type Handle = Handle$1;
type Clock = Clock$1;
type FilterOptions = FilterOptions$1;
type Where = Where$1;
type At = At$1;
type Options = Options$1;
type Status = Status$1;
type User = User$1;
type Item = Item$1;
type Until = Until$1;
type Cursor = Cursor$1;
type ErrorCode = ErrorCode$1;
type Changes<T extends {
    id: string;
} = Item$1> = Changes$1<T>;
type Diff<T extends {
    id: string;
} = Item$1> = Diff$1<T>;
type Page<T extends {
    id: string;
} = Item$1> = Page$1<T>;
type SharedObject<T extends {
    id: string;
} = Item$1> = SharedObject$1<T>;
type Transaction<T extends {
    id: string;
} = Item$1> = Transaction$1<T>;
type ViewerOptions<T extends {
    id: string;
} = Item$1> = ViewerOptions$1<T>;

export { Dataset, DatasetViewer, SharedStateClient, SharedStateError, Unauthorized, version };
export type { At, Changes, Clock, Cursor, Diff, ErrorCode, FilterOptions, Handle, Item, Options, Page, SharedObject, Status, Transaction, Until, User, ViewerOptions, Where };
