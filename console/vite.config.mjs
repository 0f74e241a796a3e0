// How the console is built, and served while somebody works on it (CONTRIBUTING.md).

import { fileURLToPath } from 'node:url';

const master = process.env.STELE_CONSOLE_MASTER ?? 'http://127.0.0.1:9000';
// A master accepts changes only from pages of its own origin.
const proxied = { target: master, changeOrigin: true, headers: { origin: master } };

export default {
  root: fileURLToPath(new URL('.', import.meta.url)),
  // Relative, so that a proxy may serve the console below any path.
  base: './',
  publicDir: false,
  logLevel: 'warn',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    assetsDir: 'console',
    // The content security policy allows no data: URLs.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    target: 'es2022',
  },
  server: { proxy: { '/v1': proxied, '/docs': proxied } },
};
