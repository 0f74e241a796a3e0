// As test/loader/real-data.test.ts, of the datasets that take seconds.

import { it } from 'vitest';
import { expectValues } from '../../loader/real-values.ts';
import { REAL_INPUTS, isLarge } from '../../support/inputs/real-data.ts';

const large = REAL_INPUTS.filter(isLarge);

it.for(large)('every value of $name is what another parser says', (real) => expectValues(real));
