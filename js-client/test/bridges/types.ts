/** What TypeScript must accept and refuse of the bridges. Compiled, never run. */

import { SharedStateClient as CoreClient, type Dataset as CoreDataset } from "../../src/core.js";
import { SharedStateClient, type Dataset } from "../../src/index.js";
import type { User } from "../../src/index.js";
import type { Item } from "../../src/protocol/replica.js";
import * as react from "../../src/bridges/react.js";
import type { CollectionConfig } from "@tanstack/db";
import { collection_options } from "../../src/bridges/tanstack.js";
import * as svelte from "../../src/bridges/svelte.js";
import * as vue from "../../src/bridges/vue.js";

type Equal<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const is = <_ extends true>() => {};

interface Todo {
  id: string;
  text: string;
}

const client = new SharedStateClient("ws://host:1");
const [, ds] = client.acquire<Todo>("/app/items/todo");
const initial: readonly Todo[] = [];
declare const svelte_where: svelte.Readable<{ done: boolean }>;

// What the items are is said, or seen from the dataset or the initial items; else they may have any members.
const [in_react] = react.useCollection(client, "/app/items/todo", { initial });
is<Equal<typeof in_react, readonly Todo[]>>();

const [items, own] = vue.useCollection<Todo>(client, "/app/items/todo", { initial });
is<Equal<typeof items.value, readonly Todo[]>>();
is<Equal<typeof own.value, Dataset<Todo> | undefined>>();
const [seen] = vue.useCollection(client, "/app/items/todo", { initial });
is<Equal<typeof seen.value, readonly Todo[]>>();
const [any] = vue.useCollection(client, "/app/items/todo");
is<Equal<typeof any.value, readonly Item[]>>();
for (const source of [ds, own, () => own.value, undefined]) vue.useItems<Todo>(source, { initial });
const from_ref = vue.useItems(own);
is<Equal<typeof from_ref.value, readonly Todo[]>>();
// @ts-expect-error it may not be there yet
own.value.update({ remove: ["a"] });
// @ts-expect-error for reading only
own.value = ds;
// A full client has full datasets, a lean one has lean ones, and what may be either is taken for lean.
const lean = new CoreClient("ws://host:1");
declare const either: CoreClient | SharedStateClient;
const [full_items, full_ds] = react.useCollection<Todo>(client, "/app/items/todo", { last: 3 });
is<Equal<typeof full_items, readonly Todo[]>>();
is<Equal<typeof full_ds, Dataset<Todo> | undefined>>();
full_ds?.transaction((tx) => tx.size);
const [, untyped] = react.useCollection(client, "/app/items/todo");
is<Equal<typeof untyped, Dataset<Item> | undefined>>();
const [lean_items, lean_ds] = react.useCollection(lean, "/app/items/todo", { initial });
is<Equal<typeof lean_items, readonly Todo[]>>();
is<Equal<typeof lean_ds, CoreDataset<Todo> | undefined>>();
// @ts-expect-error of the full client
lean_ds?.transaction(() => {});
const [, either_ds] = react.useCollection<Todo>(either, "/app/items/todo");
is<Equal<typeof either_ds, CoreDataset<Todo> | undefined>>();
const [, lean_ref] = vue.useCollection<Todo>(lean, "/app/items/todo");
is<Equal<typeof lean_ref.value, CoreDataset<Todo> | undefined>>();
const [, either_ref] = vue.useCollection<Todo>(either, "/app/items/todo");
is<Equal<typeof either_ref.value, CoreDataset<Todo> | undefined>>();
is<Equal<ReturnType<typeof react.useItem<Todo>>, Todo | undefined>>();
react.useItems(full_ds, { initial });
vue.useItems(lean.acquire<Todo>("/app/items/todo")[1], { initial });

// @ts-expect-error no such option
vue.useCollection(client, "/app/items/todo", { first: initial });

react.useCollection<Todo>(client, "/app/items/todo", { where: { done: false }, last: 3 });
vue.useCollection<Todo>(client, "/app/items/todo", { where: () => ({ done: false }), last: 3 });
svelte.collection<Todo>(client, "/app/items/todo", { where: svelte_where, last: 3 });
// @ts-expect-error a list of names
vue.useCollection(client, "/app/items/todo", { fields: "text" });

const on_demand = collection_options<Todo>(client, "/app/items/todo", { syncMode: "on-demand" });
is<Equal<typeof on_demand, CollectionConfig<Todo, string>>>();
// @ts-expect-error no such mode
collection_options<Todo>(client, "/app/items/todo", { syncMode: "on demand" });

const in_vue = vue.useUser(client);
is<Equal<typeof in_vue.value, User | null>>();
is<Equal<ReturnType<typeof react.useUser>, User | null>>();
const who = svelte.user(client);
is<Equal<typeof who, svelte.Readable<User | null>>>();

const store = svelte.collection(client, "/app/items/todo", { initial });
is<Equal<typeof store, svelte.Readable<readonly Todo[]>>>();
const of_dataset = svelte.items(ds, { initial });
is<Equal<typeof of_dataset, svelte.Readable<readonly Todo[]>>>();
svelte.items(undefined, { initial });
// @ts-expect-error items have ids
svelte.collection(client, "/app/items/todo", { initial: [{ text: "" }] });
