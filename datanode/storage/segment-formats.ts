// The formats of segments that this release writes and reads.

import { FORMAT_VERSION } from '../../segment/layout.ts';

export const SEGMENT_FORMATS = { written: FORMAT_VERSION, read: [FORMAT_VERSION] } as const;
