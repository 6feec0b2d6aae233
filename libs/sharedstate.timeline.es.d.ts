/*! SharedState client 0.2.0, BSD-2-Clause */
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

/**
 * What a timeline needs of a client, lean or full.
 */
type Source = {
    acquire: (path: string, options: FilterOptions) => [handle: object, ds: Newest];
    release: (handle: any) => void;
    page: (path: string, options: FilterOptions & {
        before?: At;
    }) => Promise<any>;
};
/**
 * what it needs of a dataset
 */
type Newest = {
    snapshot: readonly any[];
    size: number;
    before: At | undefined;
    subscribe: (callback: () => void) => () => void;
    ready: Promise<void>;
};

declare global {
    /** From the `lib` "esnext.disposable", so that these types do not require it. */
    interface SymbolConstructor {
        readonly dispose: unique symbol;
    }
}

type Until = {
    /**
     * ends it when it is aborted
     */
    signal?: AbortSignal | undefined;
};

/** @import { FilterOptions } from "../api/filter.js" */
/** @import { At } from "../protocol/views.js" */
/** @import { Older, Source } from "./pages.js" */
/** @import { Item } from "../protocol/replica.js" */
/** @import { Until } from "../util/lifetime.js" */
/**
 * A window of the newest items, and what was there before them, page by page. The window is a dataset. What is above it was
 * read once, when it was loaded: of it, only what leaves the window is read again, so that the list has each item
 * once, and no gap.
 *
 * @template {{id: string}} [T=Item]
 */
declare class Timeline<T extends {
    id: string;
} = Item> {
    /**
     * @param {Source} client
     * @param {string} path `/app/service/collection`
     * @param {FilterOptions & Until} [options] `last`: items in the window, 1 to 999, default 50; `signal` closes it
     * @throws {SharedStateError} as `client.acquire`
     */
    constructor(client: Source, path: string, { where, last, fields, signal }?: FilterOptions & Until);
    /** Resolves when the window is there, rejects if the server refuses: `ready` of its dataset. */
    get ready(): Promise<void>;
    /**
     * All items, in order, in a frozen list: the same list until something changes.
     *
     * @returns {readonly T[]}
     */
    get snapshot(): readonly T[];
    /** Whether there are items older than those in the list; of what is above the window, as it was when it was read. */
    get more(): boolean;
    /**
     * Read a page of older items, and put it before the list.
     *
     * @param {number} [count] items, 1 to 1,000; default: as many as are in the window
     * @returns {Promise<void>} Rejects with a `SharedStateError`, as `client.page` does.
     */
    load(count?: number): Promise<void>;
    /**
     * Read what is above the window again.
     *
     * @returns {Promise<void>} Rejects with a `SharedStateError`, as `client.page` does.
     */
    refresh(): Promise<void>;
    /** Let go what is above the window. */
    forget(): void;
    /**
     * Call a function after each change of the list. It needs no `this`, so that it can be passed as a function.
     *
     * @param {() => unknown} callback what it throws is reported, and affects nothing else
     * @returns {() => void} ends it
     */
    subscribe: (callback: () => unknown) => () => void;
    /** Release the window. The list stays readable. */
    close(): void;
    #private;
}

/** @type {string} the version of this package, as in `package.json`: without a commit, for bundles are reproducible */
declare const version: string;

export { Timeline, version };
