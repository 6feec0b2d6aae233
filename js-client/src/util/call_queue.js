import { report } from "./report.js";

/**
 * CallQueue of the application's functions, one after the other, in the order in which they became due.
 *
 * - What the client itself has to do about an event is done before the first of them begins. So nothing of its own is
 *   left undone, whatever a function does: throw, use the client, or never return.
 * - That happens: when a navigation begins, Firefox ends the running script without an exception, and the page stays if
 *   there is nothing to navigate to (a download, a 204). The calls that were still due are made at the next event.
 */
export class CallQueue {
  /** @type {Set<() => unknown>} */
  #due = new Set();
  #running = false;
  #on_error;

  /** @param {((error: unknown) => void) | undefined} on_error gets errors that nobody else gets to know */
  constructor(on_error = report) {
    this.#on_error = on_error;
  }

  /** @param {() => unknown} call made by the next `run`; what it throws is reported */
  add(call) {
    this.#due.add(call);
  }

  /** @param {unknown} error that nobody else gets to know */
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
    // Either a call has led here, and this will find nothing left to do, or the call has never returned.
    if (this.#running) setTimeout(this.#run);
    else this.#run();
  }

  #run = () => {
    this.#running = true;
    // Those that are added meanwhile are visited, too.
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
}
