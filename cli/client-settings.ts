// The settings of all verbs that talk to a running cluster: its address, the timeout, and the
// output format.

import { option } from '../base/config.ts';
import { LISTING_FORMS, RESULT_FORMS } from './result.ts';
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

/** For verbs with one result. */
export const outputOption = option.choice(
  'text for people, or JSON or YAML for programs',
  RESULT_FORMS,
  'table',
);

/** For verbs that do something to a running cluster. */
export const resultOptions = { ...clientOptions, output: outputOption };

/** How a listing is printed, for verbs that list something. */
export const listingFormOptions = {
  output: option.choice(
    'a table for people (wide: with more columns), JSON or YAML for programs, or only the names',
    LISTING_FORMS,
    'table',
  ),
  noHeaders: option.flag('tables without the line of titles'),
  watch: option.optionalDuration(
    'list again whenever something has changed, which is looked at this often',
    { min: 100, max: 3_600_000 },
    { bareValue: '2s' },
  ),
};

/** For verbs that list what is in a running cluster. */
export const listingOptions = { ...clientOptions, ...listingFormOptions };
