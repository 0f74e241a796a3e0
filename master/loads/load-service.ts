// stele.v1.LoadService over the loads.

import type { LoadServiceServer } from '../../proto/gen/stele/v1/load.ts';
import { unary } from '../callers/grpc-handlers.ts';
import type { Loads } from './loads.ts';

export function loadService(loads: Loads): LoadServiceServer {
  return {
    beginLoad: unary((request) => loads.beginLoad(request)),
    reportProgress: unary((request) => loads.reportProgress(request)),
    commitLoad: unary((request) => loads.commitLoad(request)),
    abortLoad: unary(async (request) => {
      await loads.abortLoad(request);
      return {};
    }),
  };
}
