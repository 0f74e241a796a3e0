// How long commands take: for SLOWLOG, LATENCY, INFO commandstats and latencystats.
//
// Reading the clock costs a good part of a GET, so commands are timed in runs:
//
//   GET GET GET ... GET | SCAN | GET GET
//   +--- one run -----+   +-one  +-----+     commands of one connection, one after the other
//
// A run ends before and after a command that may take long (CommandSpec.isTimed), after 64
// commands, and with the turn. Its time divided by its commands is the time of each. A run that
// takes long is noted under its last command: a stall, such as a garbage collection, hits any of
// them. With a threshold of SLOWLOG below 1 ms (`isExact`), which a run of short commands may
// exceed, each command is a run.
//
// A command that waits for datanodes is timed until its reply is known, by the clock of the
// event-loop tick.

import { tickNowMs } from '../../base/clock.ts';
import { CommandCounters } from './command-counters.ts';
import { CommandHistograms } from './command-histograms.ts';
import type { CommandSpec } from './command-spec.ts';
import { LatencyEvents } from './latency-events.ts';
import type { LatencyEvent } from './latency-events.ts';
import type { PendingReply } from './pending-reply.ts';
import type { Session } from './session.ts';
import { shownArguments, shownByKey } from './shown-arguments.ts';
import { SlowLog } from './slow-log.ts';
import type { TimingSettings } from './timing-settings.ts';
import type { CommandArguments } from '../wire/decoder.ts';

const EXACT_BELOW_MS = 1;
/** The threshold of what is off. */
const NEVER_MS = Number.POSITIVE_INFINITY;

/** One for all connections of a listener. */
export class CommandTimes {
  readonly counters = new CommandCounters();
  readonly histograms = new CommandHistograms();
  readonly events = new LatencyEvents();
  readonly slowLog: SlowLog;
  /** Whether each command is timed by itself. */
  isExact = false;
  #slowMs = NEVER_MS;
  #eventMs = NEVER_MS;
  /** The lower of the two. */
  #noteMs = NEVER_MS;

  constructor({ slowlogLogSlowerThan, slowlogMaxLen, latencyMonitorThreshold }: TimingSettings) {
    this.slowLog = new SlowLog(slowlogMaxLen);
    this.slowMs = slowlogLogSlowerThan;
    this.eventMs = latencyMonitorThreshold;
  }

  /** The threshold of SLOWLOG in milliseconds; undefined: off. */
  get slowMs(): number | undefined {
    return this.#slowMs === NEVER_MS ? undefined : this.#slowMs;
  }

  set slowMs(thresholdMs: number | undefined) {
    this.#slowMs = thresholdMs ?? NEVER_MS;
    this.isExact = this.#slowMs < EXACT_BELOW_MS;
    this.#noteMs = Math.min(this.#slowMs, this.#eventMs);
  }

  /** The threshold of LATENCY in milliseconds; 0: off. */
  get eventMs(): number {
    return this.#eventMs === NEVER_MS ? 0 : this.#eventMs;
  }

  set eventMs(thresholdMs: number) {
    this.#eventMs = thresholdMs === 0 ? NEVER_MS : thresholdMs;
    this.#noteMs = Math.min(this.#slowMs, this.#eventMs);
  }

  /** Counts commands that took `eachMs` each; hot. */
  noteCalls(id: number, eachMs: number, count: number): void {
    if (count === 0) return;
    this.counters.add(id, count, eachMs * count);
    this.histograms.record(id, eachMs * 1000, count);
  }

  /**
   * Notes a run of commands that ended with `last`; hot. `command` has its arguments, and is
   * undefined if it waits.
   */
  noteRun(
    last: CommandSpec,
    tookMs: number,
    command: CommandArguments | undefined,
    session: Session,
  ): void {
    if (tookMs < this.#noteMs) return;
    this.#noteEvent(last.flags.includes('fast') ? 'fast-command' : 'command', tookMs);
    if (command !== undefined && tookMs >= this.#slowMs) {
      this.#noteSlow(last, tookMs, session, () => shownArguments(last, command));
    }
  }

  /**
   * Counts a command that waits, and keeps what the slow log will need of it, as its arguments are
   * only there now.
   */
  noteWaiting(pending: PendingReply, spec: CommandSpec, command: CommandArguments): void {
    this.counters.add(spec.id, 1, 0);
    pending.spec = spec;
    pending.argc = command.argc;
    if (pending.key === undefined && this.#slowMs < NEVER_MS) {
      pending.shown = shownArguments(spec, command);
    }
  }

  /** Counts a command whose reply has just become known; hot. */
  noteReply({ argc, beganMs, key, shown, spec }: PendingReply, session: Session): void {
    if (spec === undefined) return;
    const tookMs = tickNowMs() - beganMs;
    this.histograms.record(spec.id, tookMs * 1000, 1);
    if (tookMs < this.#noteMs) return;
    this.#noteEvent('datanode-wait', tookMs);
    if (tookMs < this.#slowMs) return;
    this.#noteSlow(spec, tookMs, session, () =>
      key === undefined ? (shown ?? []) : shownByKey(spec, key, argc),
    );
  }

  #noteEvent(event: LatencyEvent, tookMs: number): void {
    if (tookMs >= this.#eventMs) this.events.add(event, unixSeconds(), Math.floor(tookMs));
  }

  #noteSlow(
    { flags }: CommandSpec,
    tookMs: number,
    { name, remoteAddress }: Session,
    shown: () => readonly Buffer[],
  ): void {
    if (flags.includes('skip_slowlog') || this.slowLog.entriesMax === 0) return;
    this.slowLog.add({
      unixSeconds: unixSeconds(),
      microseconds: Math.round(tookMs * 1000),
      shown: shown(),
      client: remoteAddress,
      clientName: name,
    });
  }
}

/** For people: nothing decides by it. */
function unixSeconds(): number {
  return Math.floor(Date.now() / 1000);
}
