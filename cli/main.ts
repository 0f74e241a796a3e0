#!/usr/bin/env node
// The `stele` command: looks whether this Node.js can run it before anything is loaded that an old one lacks
// (a static import would be loaded first), then everything else is in command-process.ts.

/** The oldest release in which all is there, of each line that is not too old as a whole. */
const OLDEST_MINORS: ReadonlyMap<number, number> = new Map([
  [20, 19],
  [22, 2],
]);
const OLDEST_MAJOR = 23;

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < OLDEST_MAJOR && minor < (OLDEST_MINORS.get(major) ?? Infinity)) {
  process.stderr.write(
    `stele: Stele needs Node.js 20.19 or newer (22.2 of the line 22), and this is ${process.versions.node}; install a newer one.\n`,
  );
  process.exit(1);
}

await import('./command-process.ts');
