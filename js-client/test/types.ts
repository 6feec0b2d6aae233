/** What TypeScript must accept and refuse, from the declarations that are shipped. Compiled, never run. */

import {
  type Cursor,
  type Diff,
  type ErrorCode,
  type At,
  type Item,
  type Page,
  type Status,
  type Where,
  Dataset,
  DatasetViewer,
  SharedStateClient,
  SharedStateError,
} from "../../libs/sharedstate.es.js";
import { SharedStateClient as CoreClient } from "../../libs/sharedstate.core.es.js";

type Equal<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const is = <_ extends true>() => {};

interface Todo {
  id: string;
  text: string;
  done?: boolean;
}

const client = new SharedStateClient("ws://host:1", { retries: 3, timeout: 10, max_queue: 5 });
// @ts-expect-error an option that there is not
new SharedStateClient("ws://host:1", { retry: 3 });

const [handle, ds] = client.acquire<Todo>("/app/items/todo");
is<Equal<typeof ds, Dataset<Todo>>>();
is<Equal<ReturnType<typeof ds.get_item>, Todo | undefined>>();
is<Equal<ReturnType<typeof ds.get_items>, Todo[]>>();
is<Equal<typeof ds.snapshot, readonly Todo[]>>();
is<Equal<typeof ds.ready, Promise<void>>>();
is<Equal<typeof client.status, Status>>();
client.release(handle);
handle[Symbol.dispose]();

// @ts-expect-error an item has an id
client.acquire<{ text: string }>("/app/items/todo");
// @ts-expect-error a snapshot is not for changing
ds.snapshot.push({ id: "a", text: "" });

const where: Where = {
  done: false,
  n: { gt: 1, in: [1, null] },
  not: { "/geo/lat": { lt: 0 } },
  or: [{ a: "b" }],
};
const [, part] = client.acquire<Todo>("/app/items/todo", { where, last: 50, fields: ["text"] });
is<Equal<typeof part, Dataset<Todo>>>();
is<Equal<typeof part.before, At | undefined>>();
is<Equal<typeof part.where, Where | undefined>>();
const page = client.page<Todo>("/app/items/todo", { where, last: 50, before: part.before });
is<Equal<Awaited<typeof page>, Page<Todo>>>();
client.get("/app/items/todo", { where, fields: ["text"] });
// @ts-expect-error not a number
client.acquire("/app/items/todo", { last: "50" });
// @ts-expect-error a list of conditions
client.acquire("/app/items/todo", { where: { or: { a: 1 } } });
// @ts-expect-error a condition is no list
client.acquire("/app/items/todo", { where: { not: [{ a: 1 }] } });
// @ts-expect-error for reading only
part.where = { done: true };

is<Equal<Awaited<ReturnType<typeof ds.update>>, number>>();
ds.patch("a", { text: "x", "/size/width": 3 });
// @ts-expect-error a member of another type
ds.patch("a", { text: 7 });
// @ts-expect-error a member that there is not
ds.patch("a", { texts: "x" });
ds.increment("a", "votes", -1, { signal: new AbortController().signal });
ds.update({ patch: [{ id: "a", inc: { votes: 1 }, add: { tags: ["x"] }, now: ["at"] }] });
// @ts-expect-error no number
ds.update({ patch: [{ id: "a", inc: { votes: "1" } }] });
ds.update({ insert: [{ text: "without an id" }, { id: "a", text: "" }], remove: ["b"] });
// @ts-expect-error no such member
ds.update({ inserts: [] });
// @ts-expect-error not a Todo
ds.update({ insert: [{ id: "a", text: 7 }] });
// @ts-expect-error ids are strings
ds.update({ remove: [7] });

ds.add_callback((diffs) => {
  for (const diff of diffs) {
    is<Equal<typeof diff, Diff<Todo>>>();
    if (diff.new === undefined) is<Equal<typeof diff.old, Todo>>();
    else if (diff.old === undefined) is<Equal<typeof diff.new, Todo>>();
    else is<Equal<[typeof diff.old, typeof diff.new], [Todo, Todo]>>();
  }
});

const unsubscribe = ds.subscribe(() => {}, { signal: AbortSignal.abort() });
is<Equal<ReturnType<typeof unsubscribe>, void>>();

export async function iterated() {
  using subscription = ds.subscribe(() => {});
  void subscription;
  for await (const diffs of ds) is<Equal<typeof diffs, Diff<Todo>[]>>();
  for await (const diffs of ds.changes({})) is<Equal<typeof diffs, Diff<Todo>[]>>();
  const result = await ds.transaction(async (tx) => {
    is<Equal<ReturnType<typeof tx.get_item>, Todo | undefined>>();
    tx.patch("a", { text: "" });
    tx.increment("a", "votes");
    tx.update({ insert: [{ text: "" }] });
    // @ts-expect-error the condition is the transaction's own
    tx.update({ if: { epoch: "", version: 1 } });
    return tx.size;
  });
  is<Equal<typeof result, number>>();
}

// Without a type, items may have any members.
const [, plain] = client.acquire("/app/items/c");
is<Equal<typeof plain, Dataset<Item>>>();
plain.get_item("a")?.whatever.you.like;

const [, object] = client.acquire_object<Todo>("/app/items/c", "list");
is<Equal<ReturnType<typeof object.get_items>, Todo[]>>();
object.set_items([{ text: "" }]);

is<Equal<ReturnType<typeof client.clock.now>, number>>();
new DatasetViewer(ds, document.body, { delete: true, toString: ({ text }) => text });
// @ts-expect-error a text is a string
new DatasetViewer(ds, document.body, { toString: ({ done }) => done });

is<Equal<SharedStateError["code"], ErrorCode>>();
export const misspelt = (error: SharedStateError) =>
  // @ts-expect-error there is no such code
  error.code === "confict";

// A union of items: each with all its members, with or without an id.
interface Column {
  id: string;
  title: string;
}
interface Card {
  id: string;
  column: string;
  text: string;
}
const [, board] = client.acquire<Column | Card>("/app/items/board");
board.update({ insert: [{ column: "a", text: "" }, { id: "a", title: "" }] }); // prettier-ignore
// @ts-expect-error a Card has a text, too
board.update({ insert: [{ id: "b", column: "a" }] });
// @ts-expect-error neither
board.update({ insert: [{ id: "b" }] });

// What is for reading only can be sent.
const ids: readonly string[] = ["a"];
ds.update({ remove: ids, insert: ds.snapshot });

// A condition: the state that the dataset shows, or one that was kept.
const cursor: Cursor | undefined = ds.cursor;
if (cursor) ds.update({ remove: ids, if: { ...cursor, ids } });
// @ts-expect-error a state has an epoch
ds.update({ if: { version: 1 } });

// What the server answers is not known here, unless it is said.
is<Equal<Awaited<ReturnType<typeof client.get>>, unknown>>();
export const todos: Promise<Todo[]> = client.get<Todo[]>("/app/items/todo");

// @ts-expect-error datasets come from `acquire`
new Dataset();
// @ts-expect-error internal
ds._replica;
// @ts-expect-error internal
client._new_dataset;

const lean = new CoreClient("ws://host:1");
is<Equal<ReturnType<(typeof lean.acquire<Todo>)>[1]["snapshot"], readonly Todo[]>>(); // prettier-ignore
// @ts-expect-error not in the core
lean.clock;
