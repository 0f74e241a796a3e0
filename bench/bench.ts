// The definition of a benchmark: its settings, and tables of figures.

/** The value of a setting in the full form, and in the short form, which takes seconds. */
interface Setting {
  readonly whole: number;
  readonly short: number;
}

export interface Column {
  readonly title: string;
  /** Digits after the decimal point. */
  readonly digits: number;
  /** For figures that are compared with the baseline: which direction is better. */
  readonly better?: 'higher' | 'lower';
}

export interface Row {
  /** What was measured, one text per label of the table. */
  readonly what: readonly string[];
  /** One per column; null if there is none. */
  readonly figures: readonly (number | null)[];
}

/** Plain data, because it is sent between processes and written as JSON. */
export interface Table {
  readonly caption: string;
  readonly labels: readonly string[];
  readonly columns: readonly Column[];
  readonly rows: readonly Row[];
}

/** An external program, and the Debian package that contains it. */
export interface Program {
  readonly name: string;
  readonly debianPackage: string;
}

export type Settings = Readonly<Record<string, Setting>>;

export interface Bench<Some extends Settings = Settings> {
  readonly about: string;
  readonly settings: Some;
  /** Programs without which the benchmark is skipped. */
  readonly needs?: readonly Program[];
  /** Runs in its own process, which ends afterwards. */
  run(values: Readonly<Record<keyof Some, number>>): Promise<readonly Table[]>;
}

export function defineBench<Some extends Settings>(bench: Bench<Some>): Bench<Some> {
  return bench;
}

export const REDIS_SERVER: Program = { name: 'redis-server', debianPackage: 'redis-server' };
export const REDIS_CLI: Program = { name: 'redis-cli', debianPackage: 'redis-tools' };
export const REDIS_BENCHMARK: Program = { name: 'redis-benchmark', debianPackage: 'redis-tools' };
export const WRK: Program = { name: 'wrk', debianPackage: 'wrk' };
export const NUTCRACKER: Program = { name: 'nutcracker', debianPackage: 'nutcracker' };
export const ETCD: Program = { name: 'etcd', debianPackage: 'etcd-server' };
