// `stele loads [KS]`: the running loads, and those that ended last.

import { settingsOf } from '../../../base/config.ts';
import { keyspaceName, shorten } from '../../../base/ids.ts';
import { formatDuration } from '../../../base/units.ts';
import { LoadState } from '../../../proto/gen/stele/v1/load.ts';
import type { LoadStatus } from '../../../proto/gen/stele/v1/load.ts';
import { loadJson } from '../../../proto/json-shapes.ts';
import { loadStateWord } from '../../../proto/view-words.ts';
import { listingOptions } from '../../client-settings.ts';
import { EXIT_OK } from '../../exit.ts';
import { printJson } from '../../json-output.ts';
import { formatCount, formatTable } from '../../text-table.ts';
import { defineVerb } from '../../verb.ts';
import { withAdmin } from '../../with-admin.ts';

/** Longer reasons and inputs are cut in the table; `-o json` has them in full. */
const REASON_CHARACTERS_MAX = 100;
const INPUT_CHARACTERS_MAX = 100;
/** A running load is silent for about a second between two reports; a longer silence is shown. */
const SILENT_MS_SHOWN = 5_000;

export const definition = defineVerb({
  name: 'loads',
  operands: '[keyspace]',
  schema: settingsOf(listingOptions),
  examples: ['stele loads', 'stele loads prices -o json', 'stele load --cancel 5f1c9b0e6a7d2c34'],
  async run({ operands, settings: { values }, output }) {
    const keyspace = operands[0] === undefined ? '' : keyspaceName(operands[0]);
    const response = await withAdmin(values, (admin) => admin.listLoads(keyspace));
    if (values.output === 'json') printJson(output, response.loads.map(loadJson));
    else if (response.loads.length === 0) output.line('No load has been run yet.');
    else output.line(formatTable(COLUMNS, response.loads.map(toCells)));
    return EXIT_OK;
  },
});

const COLUMNS = [
  { title: 'LOAD' },
  { title: 'KEYSPACE' },
  { title: 'STATE' },
  { title: 'VERSION', align: 'right' },
  { title: 'ROWS', align: 'right' },
  { title: 'STARTED' },
  { title: 'BY' },
  { title: 'SOURCE' },
  { title: 'WHAT' },
  { title: 'INPUT' },
] as const;

function toCells(load: LoadStatus): string[] {
  return [
    load.loadId,
    load.keyspace,
    loadStateWord(load.state).toLowerCase(),
    load.version === 0 ? '-' : String(load.version),
    formatCount(load.rows),
    load.startedAt,
    ownerText(load),
    load.source,
    load.state === LoadState.RUNNING ? progressText(load) : endText(load),
    shorten(load.input, INPUT_CHARACTERS_MAX),
  ];
}

function ownerText({ owner }: LoadStatus): string {
  if (owner === undefined || owner.host === '') return '-';
  return `${owner.user === '' ? '' : `${owner.user}@`}${owner.host} ${owner.pid}`;
}

/** Why the load ended; for a resumable one also its progress. */
function endText(load: LoadStatus): string {
  const reason = shorten(load.reason, REASON_CHARACTERS_MAX);
  if (load.state !== LoadState.INTERRUPTED) return reason;
  return [reason, load.stage === '' ? '' : progressText(load)].filter(Boolean).join('; ');
}

function progressText(load: LoadStatus): string {
  const { bytesDone, bytesTotal, shardsDone, shardsTotal, silentMs, stage } = load;
  const parts = [stage === '' ? 'just begun' : stage];
  if (stage === 'parse' && bytesTotal > 0) {
    parts.push(`${Math.floor((100 * bytesDone) / bytesTotal)}%`);
  }
  if (stage === 'build' && shardsTotal > 0) parts.push(`${shardsDone} of ${shardsTotal} shards`);
  if (silentMs > SILENT_MS_SHOWN) parts.push(`silent for ${formatDuration(silentMs)}`);
  return parts.join(', ');
}
