import { expect, test } from 'vitest';
import {
  ViewSendingClient,
  clusterServiceDefinition,
  encodedView,
} from '../../proto/encoded-view.ts';
import { WatchViewResponse } from '../../proto/gen/stele/v1/cluster.ts';
import { ApplyViewRequest } from '../../proto/gen/stele/v1/datanode.ts';
import { FakeCluster } from '../support/peers/fake-cluster.ts';

const { applyView } = (
  ViewSendingClient as unknown as {
    service: { applyView: { requestSerialize: (request: ApplyViewRequest) => Buffer } };
  }
).service;

/** Epoch 7, node `n`: a header without a view. */
const HEADER_ONLY = Buffer.from([0x0a, 0x05, 0x08, 0x07, 0x12, 0x01, 0x6e]);

test('a view is encoded once, for watchers and datanodes alike, and read as if it were part of each message', () => {
  const view = new FakeCluster(3, 3).current();
  expect(encodedView(view)).toBe(encodedView(view));
  const { responseSerialize } = clusterServiceDefinition.watchView;
  expect(WatchViewResponse.decode(responseSerialize({ view }))).toEqual(
    WatchViewResponse.decode(WatchViewResponse.encode({ view }).finish()),
  );
  const { header } = ApplyViewRequest.decode(HEADER_ONLY);
  for (const request of [
    { header, view },
    { header: undefined, view },
    { header, view: undefined },
  ]) {
    expect(ApplyViewRequest.decode(applyView.requestSerialize(request))).toEqual(
      ApplyViewRequest.decode(ApplyViewRequest.encode(request).finish()),
    );
  }
});
