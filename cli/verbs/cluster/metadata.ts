// `stele metadata copy|backup|restore`: a whole catalog from one store into another, into a file,
// and back. It asks no master: it reads and writes the store itself.

import { SteleError } from '../../../base/errors.ts';
import { shorten } from '../../../base/ids.ts';
import { option, settingsOf } from '../../../base/config.ts';
import { etcdAccessOptions, masterSettings } from '../../../master/settings.ts';
import type { ContentSummary } from '../../../master/metadata/copies/content.ts';
import type { Place } from '../../../master/metadata/copies/place.ts';
import { outputOption } from '../../client-settings.ts';
import { EXIT_OK, reportNotice } from '../../exit.ts';
import { printResult } from '../../result.ts';
import { formatBytes } from '../../../base/units.ts';
import { didYouMean } from '../../suggestions.ts';
import { defineVerb } from '../../verb.ts';
import { counted } from '../../words.ts';

const ACTIONS = ['copy', 'backup', 'restore'];
const DEFAULT_PLACE = `dir:${masterSettings.options.dataDir.defaultValue}`;

export const definition = defineVerb({
  name: 'metadata',
  operands: '<action> [file]',
  actions: ACTIONS,
  schema: settingsOf({
    from: option.text(
      `copy, backup: where the catalog is (default of backup: ${DEFAULT_PLACE})`,
      '',
      {
        placeholder: 'PLACE',
      },
    ),
    to: option.text(`copy, restore: where it is put (default of restore: ${DEFAULT_PLACE})`, '', {
      placeholder: 'PLACE',
    }),
    ...etcdAccessOptions,
    output: outputOption,
  }),
  examples: [
    'stele metadata backup catalog.backup',
    'stele metadata backup catalog.backup --from etcd://10.0.0.1:2379,10.0.0.2:2379/stele/default/',
    'stele metadata restore catalog.backup --to etcd://10.0.0.1:2379/stele/default/',
    'stele metadata copy --from dir:.stele/master --to etcd://10.0.0.1:2379/stele/default/',
    'stele metadata copy --from etcd://10.0.0.1:2379/stele/default/ --to dir:/var/lib/stele/master',
  ],
  async run({ operands: [word = '', file], settings: { values }, global, output }) {
    const call = callOf(word, file, values);
    const [{ createLogger }, { openPlace }, moves] = await Promise.all([
      import('../../../base/log.ts'),
      import('../../../master/metadata/copies/open-place.ts'),
      import('../../../master/metadata/copies/move.ts'),
    ]);
    const log = createLogger('metadata', global);
    const opened: { close(): void }[] = [];
    const open = (place: string): ReturnType<typeof openPlace> => {
      const one = openPlace(place, values, log);
      opened.push(one);
      return one;
    };
    try {
      const { done, notice, summary } = await make(call, open, moves);
      const { bytes, digest, entries } = summary;
      const size = `${counted(entries, 'entry', 'entries')}, ${formatBytes(bytes)}`;
      const text = `${done}: ${size}, SHA-256 ${digest}`;
      const json = { action: call.action, entries, bytes, digest };
      await printResult(output, values.output, json, () => text);
      if (notice !== '') reportNotice(output, notice, values.output === 'json');
      return EXIT_OK;
    } finally {
      for (const place of opened) place.close();
    }
  },
});

type Call =
  | { readonly action: 'copy'; readonly from: string; readonly to: string }
  | { readonly action: 'backup'; readonly from: string; readonly file: string }
  | { readonly action: 'restore'; readonly to: string; readonly file: string };

/** Throws INVALID_ARGUMENT. */
function callOf(
  word: string,
  file: string | undefined,
  { from, to }: { readonly from: string; readonly to: string },
): Call {
  switch (word) {
    case 'copy':
      if (file !== undefined) throw usage(`copy takes no file, and not '${shorten(file)}'.`);
      if (from === '' || to === '') throw usage('copy needs both --from and --to.');
      return { action: word, from, to };
    case 'backup':
      if (file === undefined) throw usage('backup needs the file to write.');
      if (to !== '') throw usage('--to goes with copy and restore, not with backup.');
      return { action: word, from: from || DEFAULT_PLACE, file };
    case 'restore':
      if (file === undefined) throw usage('restore needs the file to read.');
      if (from !== '') throw usage('--from goes with copy and backup, not with restore.');
      return { action: word, to: to || DEFAULT_PLACE, file };
    default:
      throw usage(
        `stele metadata takes copy, backup or restore, and not '${shorten(word)}'${didYouMean(word, ACTIONS)}.`,
      );
  }
}

async function make(
  call: Call,
  open: (place: string) => Place,
  {
    backUpCatalog,
    copyCatalog,
    restoreCatalog,
  }: typeof import('../../../master/metadata/copies/move.ts'),
): Promise<{ done: string; summary: ContentSummary; notice: string }> {
  if (call.action === 'backup') {
    const { file, from } = call;
    return {
      done: `${from} is in ${file}`,
      summary: await backUpCatalog(open(from), file),
      notice: '',
    };
  }
  const { to } = call;
  if (call.action === 'restore') {
    const summary = await restoreCatalog(call.file, open(to));
    const notice = `The next master at ${to} skips epochs and version numbers that others may have seen; start no master on what it replaces.`;
    return { done: `${call.file} is in ${to}`, summary, notice };
  }
  const { from } = call;
  const { leader, ...summary } = await copyCatalog(open(from), open(to));
  const notice =
    leader === undefined
      ? `Start no master at ${from} any more: ${to} is the catalog of this cluster now.`
      : `${leader} leads at ${from}, and what it changes from now on is missing at ${to}; stop all masters there before you start one at ${to}, which skips epochs and version numbers.`;
  return { done: `${from} is in ${to}`, summary, notice };
}

function usage(sentence: string): SteleError {
  return new SteleError('INVALID_ARGUMENT', sentence);
}
