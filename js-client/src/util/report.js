/**
 * Show an error that nobody else gets to know.
 *
 * @param {unknown} error
 */
export function report(error) {
  // In a page and its workers, this is what tools listen to. In Deno and Bun it would end the program.
  const page = "document" in globalThis || "WorkerGlobalScope" in globalThis;
  if (page && globalThis.reportError) globalThis.reportError(error);
  else console.error(error);
}
