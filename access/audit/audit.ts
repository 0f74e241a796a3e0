// The audit log of one process: one line for each change and each refused attempt at its doors.
//
//     door --note--> [repeats] --> the last 1,000 in memory
//                                  a file or stderr, one JSON object a line
//
// A change that was made passes at once; what was refused or failed, once and then with a count
// (repeats.ts). Nothing here throws or waits: a file that cannot be written costs lines, which are
// counted.

import { systemTime, wallClockIso } from '../../base/clock.ts';
import type { Cancel, Time } from '../../base/clock.ts';
import { toSteleError } from '../../base/errors.ts';
import type { ErrorCode } from '../../base/errors.ts';
import type { AuditEntry } from '../../proto/gen/stele/v1/cluster.ts';
import { auditJson } from '../../proto/json-shapes.ts';
import { Refusal } from '../subject.ts';
import type { Subject } from '../subject.ts';
import { Repeats } from './repeats.ts';

const KEPT_MAX = 1_000;
const SWEEP_MS = 1_000;
const TEXT_CHARACTERS_MAX = 128;
/** Nobody who is known. */
export const NOBODY = '-';

export type Door = 'http' | 'grpc' | 'resp' | 'lookup' | 'segments';

/** One attempt, as a door sees it. */
export interface Attempt {
  readonly door: Door;
  /** A route, a method or a command. */
  readonly what: string;
  /** The network address of the caller, without the port. */
  readonly from: string;
  /** Who it is, or, if a login was refused, says that it is. */
  readonly who?: string;
  readonly keyspace?: string;
  /** A datanode, a user, a role, a load ... */
  readonly about?: string;
  readonly result: ErrorCode | 'OK';
  readonly requestId?: string;
}

/** Where lines go. Neither throws nor waits. */
export interface AuditSink {
  write(line: string): void;
  /** Why lines are being lost, or were lost last; undefined: none is. */
  readonly trouble: string | undefined;
  /** Lines lost since the start. */
  readonly lostTotal: number;
  /** Opens the file of this name again, after it was renamed; undefined if there is no file. */
  readonly reopen: (() => void) | undefined;
  /** Resolves when everything is written, or cannot be. */
  close(): Promise<void>;
}

/** Which entries; an empty text means any. */
export interface AuditQuery {
  readonly limit: number;
  readonly user: string;
  readonly keyspace: string;
}

export class Audit {
  readonly sink: AuditSink | undefined;
  readonly #process: string;
  readonly #time: Time;
  readonly #repeats: Repeats<Attempt>;
  /** The last ones, oldest first. */
  readonly #kept: AuditEntry[] = [];
  readonly #refused = new Map<Door, number>();
  #sweep: Cancel | undefined;

  /** `name` is that of this process, in each line. */
  constructor(name: string, sink: AuditSink | undefined, time: Time = systemTime) {
    this.#process = name;
    this.sink = sink;
    this.#time = time;
    this.#repeats = new Repeats(time.nowMs());
  }

  /** Refused attempts since the start, by door. */
  get refused(): ReadonlyMap<Door, number> {
    return this.#refused;
  }

  note(attempt: Attempt): void {
    if (attempt.result === 'OK') return this.#write(attempt, 1);
    if (isRefusal(attempt.result)) {
      this.#refused.set(attempt.door, (this.#refused.get(attempt.door) ?? 0) + 1);
    }
    if (this.#repeats.passes(keyOf(attempt), attempt, this.#time.nowMs())) this.#write(attempt, 1);
    this.#sweep ??= this.#time.after(SWEEP_MS, () => this.#writeRepeated());
  }

  /** Notes what was thrown if it is a refusal, and nothing otherwise. */
  noteRefusal(thrown: unknown, attempt: Omit<Attempt, 'result'>): void {
    const result = toSteleError(thrown).code;
    if (!isRefusal(result)) return;
    const keyspace = thrown instanceof Refusal ? { keyspace: thrown.keyspace } : {};
    this.note({ ...keyspace, ...attempt, result });
  }

  /** The last entries, newest first. */
  entries({ keyspace, limit, user }: AuditQuery): AuditEntry[] {
    const found = this.#kept.filter(
      (entry) =>
        (user === '' || entry.who === user) && (keyspace === '' || entry.keyspace === keyspace),
    );
    return found.reverse().slice(0, limit);
  }

  async close(): Promise<void> {
    this.#sweep?.();
    for (const { count, item } of this.#repeats.rest()) this.#write(item ?? OTHERS, count);
    await this.sink?.close();
  }

  #writeRepeated(): void {
    this.#sweep = undefined;
    for (const { count, item } of this.#repeats.due(this.#time.nowMs())) {
      this.#write(item ?? OTHERS, count);
    }
    if (this.#repeats.isBusy) {
      this.#sweep = this.#time.after(SWEEP_MS, () => this.#writeRepeated());
    }
  }

  #write(attempt: Written, count: number): void {
    const { about = '', door, from, keyspace = '', requestId = '', result, what, who } = attempt;
    const entry: AuditEntry = {
      time: wallClockIso(this.#time),
      process: this.#process,
      who: short(who ?? NOBODY),
      from: short(from),
      door,
      what: short(what),
      keyspace: short(keyspace),
      about: short(about),
      result,
      count,
      requestId: count === 1 ? requestId : '',
    };
    this.#kept.push(entry);
    if (this.#kept.length > KEPT_MAX) this.#kept.shift();
    this.sink?.write(`${JSON.stringify(auditJson(entry))}\n`);
  }
}

type Written = Omit<Attempt, 'door'> & { readonly door: string };

/** Stands for attempts that were too many to tell apart. */
const OTHERS: Written = {
  door: NOBODY,
  what: 'refused and failed attempts of many kinds',
  from: NOBODY,
  result: 'PERMISSION_DENIED',
};

/** The name of a caller whose login was checked. */
export function nameOf(subject: Subject): string {
  return subject.isCluster ? '(cluster)' : subject.name;
}

export function isRefusal(result: ErrorCode | 'OK'): boolean {
  return result === 'UNAUTHENTICATED' || result === 'PERMISSION_DENIED';
}

function keyOf({ about, door, from, keyspace, result, what, who }: Attempt): string {
  return [door, who, from, what, keyspace, about, result].map((part) => part ?? '').join('\0');
}

function short(text: string): string {
  return text.slice(0, TEXT_CHARACTERS_MAX);
}
