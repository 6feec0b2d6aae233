declare global {
  /** From the `lib` "esnext.disposable", so that these types do not require it. */
  interface SymbolConstructor {
    readonly dispose: unique symbol;
  }
}

/** What `using` ends. */
export interface Disposable {
  [Symbol.dispose]: () => void;
}
