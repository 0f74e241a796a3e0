// Renders the kustomize base from the Helm chart: `npm run kustomize`. A test compares the two.

import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** @param {string} path */
const here = (path) => fileURLToPath(new URL(path, import.meta.url));

const chart = ['template', 'stele', here('../helm/stele'), '-f', here('values.yaml')];
const rendered = execFileSync('helm', [...chart, '--skip-tests'], { encoding: 'utf8' });
const note = '# Rendered from the Helm chart by `npm run kustomize`; change the chart.\n';
writeFileSync(process.argv[2] ?? here('base/stele.yaml'), `${note}${rendered}`);
