// The errors of the catalog in etcd, as callers of a change get them.

import { SteleError } from '../../../base/errors.ts';

export function replaced(): SteleError {
  return new SteleError(
    'UNAVAILABLE',
    'The leader was replaced, so nothing was changed; the next leader takes the change: try again.',
  );
}

export function foreign(): SteleError {
  return new SteleError(
    'CONFLICT',
    'Something else has written to the prefix of this cluster in etcd, so its leader gives up the lead and reads everything again; use another --etcd-prefix for each cluster.',
  );
}

/** The reason, if etcd has refused a transaction because its space quota is used up. */
export function spaceErrorOf({ cause }: SteleError): SteleError | undefined {
  return cause instanceof SteleError && cause.code === 'DISK_FULL' ? cause : undefined;
}

export function unavailable(cause: SteleError): SteleError {
  return new SteleError('UNAVAILABLE', `${cause.message} Nothing was changed; try again.`, {
    cause,
  });
}

export function unknown(cause: SteleError): SteleError {
  return new SteleError(
    'OUTCOME_UNKNOWN',
    'The answer of etcd was lost, and another master leads since, so it is not known whether the change was made; look at `stele events` before you repeat it.',
    { cause },
  );
}
