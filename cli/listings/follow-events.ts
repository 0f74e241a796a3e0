// `stele events -f`: the last events, oldest first, then each as it happens.
//
// It asks for what came after the last number that was shown, so a master that was away leaves
// neither a gap nor a repeat. One line on stderr says that it is away; another, that events are no
// longer kept.

import { sleep } from '../../base/clock.ts';
import type { Event } from '../../proto/gen/stele/v1/cluster.ts';
import { eventJson } from '../../proto/json-shapes.ts';
import { nextEvents } from '../../proto/next-events.ts';
import type { NextEvents } from '../../proto/next-events.ts';
import { EVENTS } from './events.ts';
import { EXIT_NOT_READY, EXIT_OK, exitCodeOfError, reportNotice, sentenceOf } from '../exit.ts';
import { untilInterrupted } from '../interruption.ts';
import { cellsOf, shownColumns } from './listing.ts';
import type { ListingValues } from './listing.ts';
import type { Output } from '../output.ts';
import { isForPrograms, serialized } from '../result.ts';
import { GrowingTable } from '../text-table.ts';
import type { Admin } from '../with-admin.ts';
import { counted } from '../words.ts';

const WAIT_MS = 10_000;
const RETRY_MS = 500;

export interface FollowOptions {
  readonly output: Output;
  readonly values: Omit<ListingValues, 'watch'>;
  /** Empty: all. */
  readonly keyspace: string;
  /** How many of the last events are shown first. */
  readonly limit: number;
}

/** Runs until a signal; returns its exit code. The first question must be answered. */
export function followEvents(
  admin: Pick<Admin, 'close' | 'listEvents'>,
  { keyspace, limit, output, values }: FollowOptions,
): Promise<number> {
  return untilInterrupted(async (signal) => {
    // A question that waits for an event is given up.
    signal.addEventListener('abort', () => admin.close(), { once: true });
    const show = printer(output, values);
    const first = await admin.listEvents({ keyspace, limit });
    await show(first.events.toReversed());
    let after = first.newest;
    let isAway = false;
    while (!signal.aborted) {
      const next = await askNext(admin, { after, keyspace });
      if (typeof next === 'string') {
        if (!isAway && !signal.aborted) reportNotice(output, next, values.output === 'json');
        isAway = true;
        await sleep(RETRY_MS, signal);
        continue;
      }
      isAway = false;
      const notice = noticeOf(next);
      if (notice !== '') reportNotice(output, notice, values.output === 'json');
      await show(next.events);
      ({ after } = next);
    }
    return EXIT_OK;
  });
}

/** The next events, or a sentence on why nobody can be asked at the moment. */
async function askNext(
  admin: Pick<Admin, 'listEvents'>,
  from: { readonly after: number; readonly keyspace: string },
): Promise<NextEvents | string> {
  try {
    return await nextEvents((request) => admin.listEvents(request), { ...from, waitMs: WAIT_MS });
  } catch (thrown) {
    if (exitCodeOfError(thrown) !== EXIT_NOT_READY) throw thrown;
    return sentenceOf(thrown);
  }
}

function noticeOf({ isOlderCopy, missed }: NextEvents): string {
  if (isOlderCopy) {
    return 'The catalog is an older copy now: what was recorded in it meanwhile is not shown.';
  }
  return missed === 0 ? '' : `${counted(missed, 'event')} in between are no longer kept.`;
}

function printer(
  output: Output,
  { noHeaders, output: form }: Omit<ListingValues, 'watch'>,
): (events: readonly Event[]) => Promise<void> {
  const print = (text: string): void => output.line(text);
  if (isForPrograms(form)) {
    return async (events) => {
      for (const event of events) {
        if (form === 'yaml') print('---');
        print(await serialized(form, eventJson(event)));
      }
    };
  }
  const columns = shownColumns(EVENTS.columns, form);
  const table = new GrowingTable(columns, noHeaders);
  return async (events) => {
    if (events.length === 0) return;
    if (form === 'name') print(events.map((event) => EVENTS.name(event)).join('\n'));
    else {
      const seen = { paint: output.paint, isLastView: false };
      print(table.add(events.map((event) => cellsOf(columns, event, seen))));
    }
  };
}
