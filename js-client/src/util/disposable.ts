declare global {
  /** What `lib` calls "esnext.disposable", so that these types do not ask for it. */
  interface SymbolConstructor {
    readonly dispose: unique symbol;
  }
}

/** What `using` ends. */
export interface Ending {
  [Symbol.dispose]: () => void;
}
