// Bundles what every process loads at its start into dist/bundle, from the output of the compiler:
// the product, and the libraries of BUNDLED with all that they import. One process loads 600 files
// otherwise, which takes longer than the rest of its start. Names and lines stay as they are, so
// that stack traces can be read. The files of worker threads, and what finds its files by its own
// place (native modules, pages, .proto files), stay outside.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildOnce } from './build-once.mjs';

const project = fileURLToPath(new URL('..', import.meta.url));
const dist = join(project, 'dist');
/** What dist/cli/main.js runs, and the verbs without a process around them. */
const ENTRIES = ['command-process', 'program'];
const BUNDLED = ['@grpc/grpc-js', 'ajv', 'commander', 'fastify', 'pino'];

const { dependencies } = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8'));
const outside = Object.keys(dependencies).filter((name) => !BUNDLED.includes(name));

/** Modules of the product find files beside them where the compiler puts them. */
const ownPlaces = {
  name: 'own-places',
  /** @param {string} code @param {string} id */
  transform(code, id) {
    if (!id.startsWith(`${dist}/`) || !code.includes('import.meta.url')) return;
    const place = JSON.stringify(`../${relative(dist, id)}`);
    return code.replaceAll('import.meta.url', `new URL(${place}, import.meta.url).href`);
  },
};

/**
 * The licenses of the packages whose files are in the bundle, as they ask for.
 * @param {readonly string[]} files
 */
function licensesOf(files) {
  const folders = files.flatMap((file) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file) ?? []);
  const texts = [...new Set(folders)].sort().map((folder) => {
    const text = readFileSync(join(folder, 'package.json'), 'utf8');
    const { author, license, name, version } = JSON.parse(text);
    const file = readdirSync(folder).find((one) => /^licen[cs]e/i.test(one));
    // Some packages only name it.
    const by = `by ${author?.name ?? author ?? name}, under the license ${license}`;
    const terms = file === undefined ? by : readFileSync(join(folder, file), 'utf8').trim();
    return `${name} ${version} (${license})\n\n${terms}\n`;
  });
  return texts.join(`\n${'-'.repeat(80)}\n\n`);
}

const packageLock = join(project, 'package-lock.json');
await buildOnce({
  to: join(dist, 'bundle'),
  // The compiler's own record changes with every file that it writes.
  sources: [join(dist, '.tsbuildinfo'), packageLock, fileURLToPath(import.meta.url)],
  build: async (dir) => {
    const { rolldown } = await import('rolldown');
    const bundle = await rolldown({
      input: Object.fromEntries(ENTRIES.map((name) => [name, join(dist, 'cli', `${name}.js`)])),
      platform: 'node',
      external: (id) => outside.some((name) => id === name || id.startsWith(`${name}/`)),
      plugins: [ownPlaces],
    });
    const names = { entryFileNames: '[name].js', chunkFileNames: '[name].js' };
    const { output } = await bundle.write({ dir, format: 'esm', ...names });
    const files = output.flatMap((one) => (one.type === 'chunk' ? one.moduleIds : []));
    writeFileSync(join(dir, 'third-party.txt'), licensesOf(files));
  },
});
