// The settings of all verbs that talk to a running cluster: its address, the timeout, and the output
// format.

import { option } from '../base/config.ts';
import { userOptions } from '../transport/client-identity.ts';
import { tlsOptions } from '../transport/tls/tls-settings.ts';

const TIMEOUT_MS_MAX = 600_000;

export const masterOption = option.addresses(
  'gRPC address of the master; of several masters, all, with commas',
  '127.0.0.1:8400',
);

/** For verbs that change something. */
export const clientOptions = {
  master: masterOption,
  timeout: option.duration('how long to wait for the answer', '10s', {
    min: 1,
    max: TIMEOUT_MS_MAX,
  }),
  ...tlsOptions,
  ...userOptions,
};

export const outputOption = option.choice(
  'a table for people, or JSON',
  ['table', 'json'],
  'table',
);

/** For verbs that list something. */
export const listingOptions = { ...clientOptions, output: outputOption };
