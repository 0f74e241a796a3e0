// `stele audit`: changes and refused attempts at the doors of the masters, newest first.
//
// Each process has its own log, so every master of --master is asked.

import { addressList } from '../../../base/address.ts';
import { option, settingsOf } from '../../../base/config.ts';
import { toSteleError } from '../../../base/errors.ts';
import type { SteleError } from '../../../base/errors.ts';
import type { AuditEntry } from '../../../proto/gen/stele/v1/cluster.ts';
import { auditJson } from '../../../proto/json-shapes.ts';
import { listingOptions } from '../../client-settings.ts';
import { showListing } from '../../listings/listing.ts';
import type { Listing } from '../../listings/listing.ts';
import { defineVerb } from '../../verb.ts';
import { withAdmin } from '../../with-admin.ts';
import type { ConnectSettings } from '../../with-admin.ts';

const LIMIT_DEFAULT = 50;
const LIMIT_MAX = 1_000;

export const definition = defineVerb({
  name: 'audit',
  operands: '',
  schema: settingsOf({
    limit: option.count('number of entries, newest first', LIMIT_DEFAULT, {
      min: 1,
      max: LIMIT_MAX,
    }),
    who: option.text('only what this user did or tried', '', { placeholder: 'USER' }),
    keyspace: option.text('only what was about this keyspace', '', { placeholder: 'KEYSPACE' }),
    ...listingOptions,
  }),
  examples: ['stele audit', 'stele audit --who alice --limit 10', 'stele audit -o json'],
  run({ settings: { values }, output }) {
    return showListing(AUDIT, output, values, async () => {
      const { entries, failures } = await askAll(values);
      for (const { message } of failures) output.errorLine(message);
      return { entries };
    });
  },
});

interface Asked extends ConnectSettings {
  readonly keyspace: string;
  readonly limit: number;
  readonly who: string;
}

/** What the masters that answer have recorded. Throws if none of them does. */
async function askAll(
  values: Asked,
): Promise<{ entries: AuditEntry[]; failures: readonly SteleError[] }> {
  const { keyspace, limit, who: user } = values;
  const answers = await Promise.allSettled(
    addressList(values.master).map((master) =>
      withAdmin({ ...values, master }, (admin) => admin.listAudit({ limit, user, keyspace })),
    ),
  );
  const failures = answers.flatMap((answer) =>
    answer.status === 'rejected' ? [toSteleError(answer.reason)] : [],
  );
  const [failure] = failures;
  if (failure !== undefined && failures.length === answers.length) throw failure;
  const entries = answers
    .flatMap((answer) => (answer.status === 'fulfilled' ? answer.value.entries : []))
    .sort((left, right) => (left.time < right.time ? 1 : -1))
    .slice(0, limit);
  return { entries, failures };
}

const AUDIT: Listing<{ readonly entries: readonly AuditEntry[] }, AuditEntry> = {
  columns: [
    { title: 'TIME', cell: ({ time }) => time },
    { title: 'WHO', cell: ({ who }) => who },
    { title: 'FROM', cell: ({ from }) => from },
    { title: 'DOOR', cell: ({ door }) => door },
    { title: 'WHAT', cell: ({ what }) => what },
    { title: 'KEYSPACE', cell: ({ keyspace }) => keyspace || '-' },
    { title: 'ABOUT', cell: ({ about }) => about || '-' },
    { title: 'RESULT', cell: ({ result }) => result },
    { title: 'COUNT', align: 'right', cell: ({ count }) => String(count) },
  ],
  rows: ({ entries }) => entries,
  name: ({ time }) => time,
  json: ({ entries }) => entries.map(auditJson),
  empty: 'Nothing is recorded yet.',
};
