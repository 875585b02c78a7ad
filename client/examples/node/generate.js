#!/usr/bin/env node
// Makes a video: submits a prompt, shows the progress, downloads the MP4. Ctrl-C cancels the job.
//
//     node generate.js HOST:PORT PROMPT FILE
//
// With a key in LONGTAKE_API_KEY it is shown with every call; LONGTAKE_CA names the authorities' certificates (PEM) of a cluster with TLS.
'use strict';

const crypto = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const { promisify } = require('node:util');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const PROTO = path.join(__dirname, '../../../proto/src/main/proto');
const UNARY_MILLIS = 60_000;
const ATTEMPTS = 5;

function connect(address) {
  const definition = loader.loadSync('longtake/v1/generation.proto', {
    includeDirs: [PROTO], longs: Number, enums: String, oneofs: true, defaults: true,
  });
  const { Generation } = grpc.loadPackageDefinition(definition).longtake.v1;
  const authorities = process.env.LONGTAKE_CA;
  const credentials = authorities
    ? grpc.credentials.createSsl(fs.readFileSync(authorities))
    : grpc.credentials.createInsecure();
  return new Generation(address, credentials, { 'grpc.max_receive_message_length': 64 << 20 });
}

function metadata() {
  const shown = new grpc.Metadata({ waitForReady: true });
  if (process.env.LONGTAKE_API_KEY) {
    shown.set('authorization', `Bearer ${process.env.LONGTAKE_API_KEY}`);
  }
  return shown;
}

function unary(client, method, request) {
  const call = promisify(client[method].bind(client));
  return call(request, metadata(), { deadline: Date.now() + UNARY_MILLIS });
}

/** Returns the job when it has ended. A stream that breaks goes on after the last event. */
async function watch(client, jobId) {
  let last = 0;
  for (let failures = 0; ;) {
    try {
      for await (const event of client.watch({ jobId, afterSequence: last }, metadata())) {
        last = event.sequence;
        failures = 0;
        if (event.event === 'ended') {
          return event.ended;
        }
        if (event.event === 'stepDone') {
          const { step, steps, segment, segments } = event.stepDone;
          console.log(`step ${step} of ${steps}, segment ${segment} of ${segments}`);
        } else if (event.event === 'planned') {
          console.log('workers:', event.planned.workerIds.join(', '));
        }
      }
    } catch (e) {
      if (e.code !== grpc.status.UNAVAILABLE || ++failures > ATTEMPTS) {
        throw e;
      }
    }
  }
}

async function download(client, jobId, file) {
  const out = fs.createWriteStream(file);
  for await (const chunk of client.download({ jobId }, metadata())) {
    if (!out.write(chunk.data)) {
      await new Promise((resolve) => out.once('drain', resolve));
    }
  }
  await new Promise((resolve, reject) => out.once('error', reject).end(resolve));
}

async function main(address, prompt, file) {
  const client = connect(address);
  try {
    // With a key of its own a request can be sent again, and is queued once.
    let job = await unary(client, 'submit', { request: { prompt }, idempotencyKey: crypto.randomUUID() });
    console.log('job', job.id);
    process.once('SIGINT', () => {
      // The watch then ends with the job.
      unary(client, 'cancel', { jobId: job.id }).catch((e) => console.error(e.details));
    });
    job = await watch(client, job.id);
    if (job.state !== 'JOB_STATE_DONE') {
      throw new Error(`${job.state} ${job.error ? job.error.message : ''}`);
    }
    await download(client, job.id, file);
    console.log(`${file}: ${job.video.frames} frames, SHA-256 ${job.video.sha256}`);
  } finally {
    client.close();
  }
}

if (process.argv.length !== 5) {
  console.error('usage: node generate.js HOST:PORT PROMPT FILE');
  process.exit(2);
}
main(...process.argv.slice(2)).catch((e) => {
  console.error(e.details ? `${grpc.status[e.code]}: ${e.details}` : e.message);
  process.exitCode = 1;
});
