/** One rule: the sources use nothing that the browsers of `browserslist` in `package.json` lack, unless they ask for it. */

import compat from "eslint-plugin-compat";

export default [
  {
    files: ["src/**/*.js"],
    ...compat.configs["flat/recommended"],
  },
];
