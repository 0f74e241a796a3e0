// `stele events [KS]`: who did what to the cluster, or to one keyspace, newest first.

import { option, settingsOf } from '../../../base/config.ts';
import { keyspaceName } from '../../../base/ids.ts';
import type { Event } from '../../../proto/gen/stele/v1/cluster.ts';
import { eventJson } from '../../../proto/json-shapes.ts';
import { listingOptions } from '../../client-settings.ts';
import { EXIT_OK } from '../../exit.ts';
import { printJson } from '../../json-output.ts';
import { formatTable } from '../../text-table.ts';
import { defineVerb } from '../../verb.ts';
import { withAdmin } from '../../with-admin.ts';

const LIMIT_DEFAULT = 50;
const LIMIT_MAX = 10_000;

export const definition = defineVerb({
  name: 'events',
  operands: '[keyspace]',
  schema: settingsOf({
    limit: option.count('number of events, newest first', LIMIT_DEFAULT, {
      min: 1,
      max: LIMIT_MAX,
    }),
    ...listingOptions,
  }),
  examples: ['stele events', 'stele events prices --limit 10', 'stele events -o json'],
  async run({ operands, settings: { values }, output }) {
    const keyspace = operands[0] === undefined ? '' : keyspaceName(operands[0]);
    const { limit } = values;
    const { events: rows } = await withAdmin(values, (admin) =>
      admin.listEvents({ keyspace, limit }),
    );
    if (values.output === 'json') printJson(output, rows.map(eventJson));
    else if (rows.length === 0) output.line('Nothing is recorded yet.');
    else output.line(formatTable(COLUMNS, rows.map(toCells)));
    return EXIT_OK;
  },
});

const COLUMNS = [
  { title: 'AT' },
  { title: 'WHAT' },
  { title: 'OF' },
  { title: 'FROM' },
  { title: 'TO' },
  { title: 'BY' },
  { title: 'WHY' },
] as const;

function toCells(event: Event): string[] {
  const by = event.address === '' ? event.door : `${event.door} ${event.address}`;
  return [
    event.at,
    event.what,
    event.keyspace || event.node || '-',
    event.from || '-',
    event.to || '-',
    event.who === '' ? by : `${event.who} (${by})`,
    event.reason || '-',
  ];
}
