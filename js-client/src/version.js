/** @type {string} the version of this package, as in `package.json`: without a commit, for bundles are reproducible */
export const version = "0.2.0";
