declare global {
  /** What `lib` calls "esnext.disposable", so that these types do not ask for it. */
  interface SymbolConstructor {
    readonly dispose: unique symbol;
  }
}

/** What `using` ends. */
export interface Disposable {
  [Symbol.dispose]: () => void;
}
