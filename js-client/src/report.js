/**
 * Return a function that tells about an error which nobody else gets to know, and never throws itself.
 *
 * @param {((error: unknown) => void) | undefined} on_error what the application gave for it
 * @returns {(error: unknown) => void}
 */
export function reporter(on_error) {
  return (error) => {
    if (!on_error) return report(error);
    try {
      on_error(error);
    } catch (thrown) {
      report(error);
      report(thrown);
    }
  };
}

/** @param {unknown} error */
function report(error) {
  // In a page and its workers, this is what tools listen to. In Deno and Bun it would end the program.
  const page = "document" in globalThis || "WorkerGlobalScope" in globalThis;
  if (page && globalThis.reportError) globalThis.reportError(error);
  else console.error(error);
}
