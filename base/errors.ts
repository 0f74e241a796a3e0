// One error type for all of Stele, with a closed set of codes.
//
// ERROR_TABLE alone defines how a code appears on each protocol. A test checks docs/errors.md
// against it. A code never changes its meaning once released.

/** The representation of one code on every surface. `grpc` is the numeric gRPC status. */
interface ErrorRow {
  readonly grpc: number;
  readonly http: number;
  /** First word of the RESP error reply. */
  readonly resp: string;
  /** Whether the same request may succeed later without a change. */
  readonly retryable: boolean;
}

export const ERROR_TABLE = {
  INVALID_ARGUMENT: { grpc: 3, http: 400, resp: 'ERR', retryable: false },
  KEY_TOO_LONG: { grpc: 3, http: 400, resp: 'ERR', retryable: false },
  BATCH_TOO_LARGE: { grpc: 8, http: 413, resp: 'ERR', retryable: false },
  NOT_FOUND: { grpc: 5, http: 404, resp: 'ERR', retryable: false },
  KEYSPACE_NOT_FOUND: { grpc: 5, http: 404, resp: 'ERR', retryable: false },
  VERSION_NOT_FOUND: { grpc: 5, http: 404, resp: 'ERR', retryable: false },
  NODE_NOT_FOUND: { grpc: 5, http: 404, resp: 'ERR', retryable: false },
  UNAUTHENTICATED: { grpc: 16, http: 401, resp: 'NOAUTH', retryable: false },
  PERMISSION_DENIED: { grpc: 7, http: 403, resp: 'NOPERM', retryable: false },
  UNSUPPORTED: { grpc: 12, http: 501, resp: 'ERR', retryable: false },
  CONFLICT: { grpc: 10, http: 409, resp: 'ERR', retryable: false },
  OUTCOME_UNKNOWN: { grpc: 4, http: 504, resp: 'ERR', retryable: false },
  LOAD_IN_PROGRESS: { grpc: 9, http: 409, resp: 'TRYAGAIN', retryable: true },
  LOAD_NOT_FOUND: { grpc: 5, http: 404, resp: 'ERR', retryable: false },
  LOAD_REJECTED: { grpc: 9, http: 409, resp: 'ERR', retryable: false },
  GATE_FAILED: { grpc: 9, http: 409, resp: 'ERR', retryable: false },
  REPLICAS_MISSING: { grpc: 9, http: 503, resp: 'CLUSTERDOWN', retryable: true },
  UNAVAILABLE: { grpc: 14, http: 503, resp: 'CLUSTERDOWN', retryable: true },
  SUSPENDED: { grpc: 9, http: 503, resp: 'SUSPENDED', retryable: false },
  UNINITIALIZED: { grpc: 14, http: 503, resp: 'LOADING', retryable: true },
  DEADLINE_EXCEEDED: { grpc: 4, http: 504, resp: 'TRYAGAIN', retryable: true },
  CANCELLED: { grpc: 1, http: 499, resp: 'ERR', retryable: false },
  OVERLOADED: { grpc: 8, http: 429, resp: 'BUSY', retryable: true },
  STALE_EPOCH: { grpc: 9, http: 409, resp: 'ERR', retryable: false },
  WRONG_NODE: { grpc: 9, http: 409, resp: 'ERR', retryable: false },
  CORRUPT: { grpc: 15, http: 500, resp: 'ERR', retryable: false },
  UNKNOWN_FORMAT: { grpc: 9, http: 500, resp: 'ERR', retryable: false },
  DISK_FULL: { grpc: 8, http: 507, resp: 'ERR', retryable: true },
  MEMORY_LIMIT: { grpc: 8, http: 507, resp: 'ERR', retryable: true },
  IO: { grpc: 13, http: 500, resp: 'ERR', retryable: true },
  LOCKED: { grpc: 9, http: 409, resp: 'ERR', retryable: false },
  PORT_IN_USE: { grpc: 9, http: 409, resp: 'ERR', retryable: false },
  INPUT_NOT_FOUND: { grpc: 5, http: 404, resp: 'ERR', retryable: false },
  INPUT_AMBIGUOUS: { grpc: 3, http: 400, resp: 'ERR', retryable: false },
  INPUT_INVALID: { grpc: 3, http: 400, resp: 'ERR', retryable: false },
  INPUT_CHANGED: { grpc: 9, http: 409, resp: 'ERR', retryable: false },
  TOO_MANY_REJECTS: { grpc: 3, http: 400, resp: 'ERR', retryable: false },
  BUILD_INCOMPLETE: { grpc: 9, http: 409, resp: 'ERR', retryable: true },
  DUPLICATE_KEY: { grpc: 6, http: 409, resp: 'ERR', retryable: false },
  INTERNAL: { grpc: 13, http: 500, resp: 'ERR', retryable: false },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERROR_TABLE;

interface SteleErrorOptions {
  readonly cause?: unknown;
  /** Overrides the table, e.g. for an UNAVAILABLE that a caller must not repeat. */
  readonly retryable?: boolean;
}

/**
 * Every failure that Stele reports on purpose. `message` is one plain sentence for people: what is
 * wrong, where, and what to do.
 */
export class SteleError extends Error {
  override readonly name = 'SteleError';
  readonly code: ErrorCode;
  readonly retryable: boolean;

  constructor(code: ErrorCode, message: string, options: SteleErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? ERROR_TABLE[code].retryable;
  }
}

/** The error of every read of a suspended keyspace. */
export function suspendedError(keyspace: string): SteleError {
  return new SteleError(
    'SUSPENDED',
    `Keyspace '${keyspace}' is suspended: its data is on disk and not in memory; \`stele resume ${keyspace}\` brings it back.`,
  );
}

/** True for a string that names a row of ERROR_TABLE (own rows only, so not `constructor`). */
export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(ERROR_TABLE, text);
}

/** Converts any thrown value to a SteleError with `code`. Returns a SteleError unchanged. */
export function toSteleError(thrown: unknown, code: ErrorCode = 'INTERNAL'): SteleError {
  if (thrown instanceof SteleError) return thrown;
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return new SteleError(codeOfSystemError(thrown) ?? code, text, { cause: thrown });
}

/** The `code` of a Node.js system error (`ENOENT` ...), or undefined. */
export function systemErrorCode(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error) || !('code' in thrown)) return undefined;
  return typeof thrown.code === 'string' ? thrown.code : undefined;
}

function codeOfSystemError(thrown: unknown): ErrorCode | undefined {
  switch (systemErrorCode(thrown)) {
    case 'ENOSPC':
    case 'EDQUOT':
      return 'DISK_FULL';
    case 'EADDRINUSE':
      return 'PORT_IN_USE';
    case 'EIO':
    case 'EROFS':
    case 'EACCES':
    case 'EMFILE':
      return 'IO';
    default:
      return undefined;
  }
}
