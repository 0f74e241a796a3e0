// LATENCY: the events that took long and the histograms of commands, in the replies of Redis.

import type { SessionHandlers } from '../commands/backend.ts';
import type { CommandSpec } from '../commands/command-spec.ts';
import { findCommandByName } from '../commands/command-table.ts';
import type { CommandTimes } from '../commands/command-times.ts';
import { argumentText } from '../wire/decoder.ts';
import type { CommandArguments } from '../wire/decoder.ts';
import type { ReplyWriter } from '../wire/encoder.ts';
import { latencyGraph, latencyReport } from './latency-report.ts';

export const LATENCY_HANDLERS = {
  'latency|latest': (_, out, __, { times }) => {
    const all = times.events.all();
    out.array(all.size);
    for (const [name, { samples, worstMs }] of all) {
      const last = samples.at(-1);
      out.array(4);
      out.bulkText(name);
      out.integer(last?.unixSeconds ?? 0);
      out.integer(last?.milliseconds ?? 0);
      out.integer(worstMs);
    }
  },
  'latency|history': (command, out, _, { times }) => {
    const samples = times.events.all().get(eventName(command))?.samples ?? [];
    out.array(samples.length);
    for (const { milliseconds, unixSeconds } of samples) {
      out.array(2);
      out.integer(unixSeconds);
      out.integer(milliseconds);
    }
  },
  'latency|reset': (command, out, _, { times }) =>
    out.integer(times.events.reset(namesFrom(command))),
  'latency|graph': (command, out, _, { times }) => {
    const name = eventName(command);
    const series = times.events.all().get(name);
    if (series === undefined) return out.error(`ERR No samples available for event '${name}'`);
    out.verbatim(latencyGraph(name, series, Date.now() / 1000));
  },
  'latency|doctor': (_, out, __, { times }) =>
    out.verbatim(latencyReport(times.eventMs, times.events.all())),
  'latency|histogram': (command, out, _, { times }) => {
    const specs = histogramSpecs(namesFrom(command), times);
    out.map(specs.length);
    for (const spec of specs) writeHistogram(spec, times, out);
  },
} satisfies Partial<SessionHandlers>;

function eventName(command: CommandArguments): string {
  return argumentText(command, 2);
}

function namesFrom(command: CommandArguments): string[] {
  return Array.from({ length: command.argc - 2 }, (_, at) => argumentText(command, at + 2));
}

/**
 * The commands that have run: all, or those that are named; the name of a container stands for its
 * subcommands.
 */
function histogramSpecs(names: readonly string[], { histograms }: CommandTimes): CommandSpec[] {
  const recorded = histograms.recorded();
  if (names.length === 0) return recorded;
  const wanted = new Set(
    names.flatMap((name) => {
      const spec = findCommandByName(name);
      return spec === undefined ? [] : [spec, ...spec.subcommands];
    }),
  );
  return [...wanted].filter((spec) => recorded.includes(spec));
}

function writeHistogram(spec: CommandSpec, { histograms }: CommandTimes, out: ReplyWriter): void {
  const pairs = histograms.cumulative(spec);
  out.bulkText(spec.name);
  out.map(2);
  out.bulkText('calls');
  out.integer(pairs.at(-1)?.[1] ?? 0);
  out.bulkText('histogram_usec');
  out.map(pairs.length);
  for (const number of pairs.flat()) out.integer(number);
}
