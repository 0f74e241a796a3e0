// `stele version`: what this program is: its version, the commit it was built from, the Node.js
// that runs it, and the formats that it reads and writes. With --cluster also the release of every
// master and datanode.

import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { option, settingsOf } from '../../../base/config.ts';
import { STELE_VERSION } from '../../../base/process/build-version.ts';
import { resultOptions } from '../../client-settings.ts';
import { EXIT_OK, reportNotice } from '../../exit.ts';
import { printResult } from '../../result.ts';
import { formatTable } from '../../text-table.ts';
import { processesOf } from '../../upgrade/releases.ts';
import type { RunningProcess } from '../../upgrade/releases.ts';
import { defineVerb } from '../../verb.ts';
import { withAdmin } from '../../with-admin.ts';
import type { ConnectSettings } from '../../with-admin.ts';
import { releaseText } from '../../words.ts';

const GIT_DEADLINE_MS = 1_000;
const COMMIT_CHARACTERS = 12;

export const definition = defineVerb({
  name: 'version',
  operands: '',
  schema: settingsOf({
    cluster: option.flag('also the release of every master and datanode'),
    ...resultOptions,
  }),
  examples: [
    'stele version',
    'stele version --cluster --master 10.0.0.5:8400',
    'stele version -o json',
    'stele --version',
  ],
  async run({ settings: { values }, output }) {
    const [about, processes] = await Promise.all([
      aboutThis(),
      values.cluster ? processesAt(values) : [],
    ]);
    const cluster = processes.map(({ name, release, role }) => ({
      role,
      name,
      release: release ?? null,
    }));
    const result = values.cluster ? { ...about, cluster } : about;
    await printResult(output, values.output, result, () =>
      [...linesOf(about), ...(values.cluster ? ['', releasesTable(processes)] : [])].join('\n'),
    );
    const notice = differenceNotice(processes);
    if (notice !== undefined) reportNotice(output, notice, values.output === 'json');
    return EXIT_OK;
  },
});

async function aboutThis() {
  const [commit, { SEGMENT_FORMATS }, { RECORD_FORMAT }, { BACKUP_FORMATS }] = await Promise.all([
    commitOf(packageFolder()),
    import('../../../datanode/storage/segment-formats.ts'),
    import('../../../master/catalog/records.ts'),
    import('../../../master/metadata/backup.ts'),
  ]);
  return {
    version: STELE_VERSION,
    commit,
    node: process.versions.node,
    platform: `${process.platform} ${process.arch}`,
    formats: {
      segment: SEGMENT_FORMATS,
      catalog: { written: RECORD_FORMAT, read: [RECORD_FORMAT] },
      catalog_backup: BACKUP_FORMATS,
    },
  };
}

function linesOf(about: Awaited<ReturnType<typeof aboutThis>>): string[] {
  const { catalog, catalog_backup: backup, segment } = about.formats;
  const format = (what: string, of: typeof segment | typeof catalog | typeof backup): string =>
    `${what}: writes ${of.written}, reads ${of.read.join(', ')}`;
  return [
    `stele     ${about.version}${about.commit === null ? '' : `, commit ${about.commit}`}`,
    `node      ${about.node}`,
    `platform  ${about.platform}`,
    `formats   ${format('segments', segment)}`,
    `          ${format('the catalog', catalog)}`,
    `          ${format('backups of the catalog', backup)}`,
  ];
}

/** Undefined if every process runs this release. */
function differenceNotice(processes: readonly RunningProcess[]): string | undefined {
  const others = processes.filter(({ release }) => release !== STELE_VERSION);
  if (others.length === 0) return undefined;
  const which = others.map(
    ({ release, title }) => `${title} runs ${release ?? 'a release that does not tell'}`,
  );
  return `This is ${STELE_VERSION}; ${which.join(', ')}. \`stele upgrade check\` tells whether they may be replaced now.`;
}

function processesAt(settings: ConnectSettings): Promise<RunningProcess[]> {
  return withAdmin(settings, async (admin) => {
    const [masters, nodes] = await Promise.all([admin.listMasters(), admin.listNodes()]);
    return processesOf(masters, nodes, settings.master);
  });
}

function releasesTable(processes: readonly RunningProcess[]): string {
  const columns = [{ title: 'PROCESS' }, { title: 'RELEASE' }];
  return formatTable(
    columns,
    processes.map((one) => [one.title, releaseText(one)]),
  );
}

/** The folder of this package's package.json: the checkout, or the installed package. */
function packageFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json')) && dirname(folder) !== folder) {
    folder = dirname(folder);
  }
  return folder;
}

/** The commit of a published package, or that of a checkout; null if it is not known. */
async function commitOf(folder: string): Promise<string | null> {
  try {
    const text = readFileSync(join(folder, 'package.json'), 'utf8');
    const { gitHead } = JSON.parse(text) as { gitHead?: string };
    if (gitHead !== undefined) return gitHead.slice(0, COMMIT_CHARACTERS);
    // Otherwise the commit would be that of a repository around this package.
    if (!existsSync(join(folder, '.git'))) return null;
    const words = ['-C', folder, 'rev-parse', `--short=${COMMIT_CHARACTERS}`, 'HEAD'];
    const { stdout } = await promisify(execFile)('git', words, { timeout: GIT_DEADLINE_MS });
    return stdout.trim() || null;
  } catch {
    return null;
  }
}
