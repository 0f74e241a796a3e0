// A listing, in every form of `-o`, once or with `--watch`: the one mechanism of all verbs that
// list something.
//
//   table   the columns without `wide`        json, yaml   the JSON of the HTTP interface
//   wide    all columns                       name         the name of each row, one a line

import type { NoLeader } from '../../proto/gen/stele/v1/cluster.ts';
import { EXIT_OK } from '../exit.ts';
import { tellNoLeader } from '../no-leader.ts';
import type { Output } from '../output.ts';
import { isForPrograms, serialized } from '../result.ts';
import type { ListingForm } from '../result.ts';
import { formatTable } from '../text-table.ts';
import type { Column } from '../text-table.ts';
import { watch } from './watch.ts';

export interface ListingColumn<Row> extends Column {
  /** Only shown with `-o wide`. */
  readonly wide?: true;
  /** Only a leader knows it: `-` in an answer from the last view. */
  readonly ofLeader?: true;
  readonly cell: (row: Row, seen: SeenBy) => string;
}

/** What a cell may depend on besides its row. */
export interface SeenBy {
  readonly paint: Output['paint'];
  /** Whether the answer is from the last view, because no master leads. */
  readonly isLastView: boolean;
}

type OrLastView = object & { readonly noLeader?: NoLeader | undefined };

/** How answers of one kind are listed. */
export interface Listing<Answer extends OrLastView, Row> {
  readonly columns: readonly ListingColumn<Row>[];
  rows(answer: Answer): readonly Row[];
  /** The word that other verbs take for a row. */
  name(row: Row): string;
  json(answer: Answer): unknown;
  /** The sentence for people if there are no rows. */
  readonly empty: string;
  /** Lines below the table. */
  notes?(rows: readonly Row[], answer: Answer): readonly string[];
}

/** The settings of every listing (`listingOptions`). */
export interface ListingValues {
  readonly output: ListingForm;
  readonly noHeaders: boolean;
  readonly watch: number | undefined;
}

/** Prints what `read` answers, once, or with `--watch` until a signal; returns the exit code. */
export async function showListing<Answer extends OrLastView, Row>(
  listing: Listing<Answer, Row>,
  output: Output,
  values: ListingValues,
  read: () => Promise<Answer>,
): Promise<number> {
  const text = async (answer: Answer): Promise<string> => listed(listing, output, values, answer);
  const { output: form, watch: intervalMs } = values;
  if (intervalMs !== undefined) {
    return watch({ output, form, intervalMs }, async () => {
      const answer = await read();
      const lines = await text(answer);
      if (answer.noLeader === undefined || isForPrograms(form)) return lines;
      return `${answer.noLeader.reason}\n${lines}`;
    });
  }
  const answer = await read();
  const lines = await text(answer);
  // No names are no line.
  if (lines !== '' || form !== 'name') output.line(lines);
  tellNoLeader(output, answer);
  return EXIT_OK;
}

/** The listing as text, without a newline at the end. */
export async function listed<Answer extends OrLastView, Row>(
  listing: Listing<Answer, Row>,
  { paint }: Pick<Output, 'paint'>,
  { noHeaders, output: form }: Omit<ListingValues, 'watch'>,
  answer: Answer,
): Promise<string> {
  if (isForPrograms(form)) return serialized(form, listing.json(answer));
  const rows = listing.rows(answer);
  if (form === 'name') return rows.map((row) => listing.name(row)).join('\n');
  const notes = listing.notes?.(rows, answer) ?? [];
  if (rows.length === 0) return [listing.empty, ...notes].join('\n');
  const columns = shownColumns(listing.columns, form);
  const seen = { paint, isLastView: answer.noLeader !== undefined };
  const cells = rows.map((row) => cellsOf(columns, row, seen));
  return [formatTable(columns, cells, { noHeaders }), ...notes].join('\n');
}

/** The columns that a table in this form has. */
export function shownColumns<Row>(
  columns: readonly ListingColumn<Row>[],
  form: ListingForm,
): ListingColumn<Row>[] {
  return columns.filter(({ wide }) => form === 'wide' || wide === undefined);
}

export function cellsOf<Row>(
  columns: readonly ListingColumn<Row>[],
  row: Row,
  seen: SeenBy,
): string[] {
  return columns.map(({ cell, ofLeader }) =>
    seen.isLastView && ofLeader === true ? '-' : cell(row, seen),
  );
}
