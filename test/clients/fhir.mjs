// Three FHIR clients that others have written use the running server: each
// creates, reads, searches, looks at the history, patches, sends a transaction
// and turns pages. Arguments: folder of the packages, address of /fhir, token.
import assert from 'node:assert/strict';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { createRequire } from 'node:module';

const [dir, base, token] = process.argv.slice(2);
const modules = path.join(dir, 'node_modules');
const require = createRequire(path.join(dir, 'package.json'));
globalThis.WebSocket ??= class {}; // Node 20 has none; @medplum/core names it while it is loaded

const system = 'urn:oid:2.16.156.10011.1.3';
const person = (number, name) => ({
  resourceType: 'Patient', identifier: [{ system, value: number }], name: [{ text: name }], gender: 'female', birthDate: '1958-03-12',
});
const result = (patient, code, day) => ({
  resourceType: 'Observation', status: 'final', code: { coding: [{ system: 'urn:test:' + code, code }] },
  subject: { reference: 'Patient/' + patient }, effectiveDateTime: day, valueQuantity: { value: 5.1, unit: 'mmol/L' },
});
const visit = (patient, code) => {
  const at = 'urn:uuid:5f5c7d5e-63d4-4b25-9d41-6a1c2f1b0e0' + code.length % 10;
  return {
    resourceType: 'Bundle', type: 'transaction',
    entry: [
      { fullUrl: at, resource: { resourceType: 'Encounter', status: 'finished', class: { code: 'AMB' }, subject: { reference: 'Patient/' + patient } }, request: { method: 'POST', url: 'Encounter' } },
      { resource: { ...result(patient, code, '2026-01-09'), encounter: { reference: at } }, request: { method: 'POST', url: 'Observation' } },
    ],
  };
};
const ids = bundle => (bundle.entry ?? []).filter(e => e.search?.mode !== 'outcome').map(e => e.resource.id);

// suite does the same through any client; c holds what differs.
async function suite(name, number, c) {
  const patient = await c.create(person(number, '唐' + '桂秀梅'[name.length % 3] + '兰'));
  assert.ok(patient.id && patient.meta.versionId === '1', name + ': create');
  assert.equal((await c.read('Patient', patient.id)).birthDate, '1958-03-12', name + ': read');
  const code = name.replace(/[^a-z]/g, '');
  const made = [];
  for (let i = 1; i <= 5; i++) made.push((await c.create(result(patient.id, code, '2026-01-0' + i))).id);
  const found = await c.search('Observation', { patient: patient.id, code, _sort: '-date' });
  assert.deepEqual(ids(found), [...made].reverse(), name + ': search');
  assert.equal(ids(await c.search('Patient', { identifier: system + '|' + number }))[0], patient.id, name + ': search by identifier');

  const changed = await c.patch('Observation', made[0], [{ op: 'replace', path: '/status', value: 'amended' }]);
  assert.equal(changed.status, 'amended', name + ': patch');
  const updated = await c.update({ ...changed, status: 'corrected' });
  assert.equal(updated.meta.versionId, '3', name + ': update');
  const history = await c.history('Observation', made[0]);
  assert.deepEqual(history.entry.map(e => e.resource.status), ['corrected', 'amended', 'final'], name + ': history');
  assert.equal((await c.vread('Observation', made[0], '1')).status, 'final', name + ': vread');

  const answer = await c.transaction(visit(patient.id, code));
  assert.deepEqual(answer.entry.map(e => e.response.status.slice(0, 3)), ['201', '201'], name + ': transaction');
  const encounter = answer.entry[0].response.location.match(/Encounter\/([^/]+)/)[1];
  assert.equal(ids(await c.search('Observation', { encounter: 'Encounter/' + encounter })).length, 1, name + ': references of the transaction');

  const pages = await c.pages('Observation', { patient: patient.id, code, _count: '2', _sort: 'date' });
  assert.deepEqual(pages.map(p => p.length), [2, 2, 2], name + ': pages');

  const sent = await c.create({
    resourceType: 'AuditEvent', type: { system: 'http://terminology.hl7.org/CodeSystem/audit-event-type', code: 'rest' }, recorded: new Date().toISOString(), outcome: '0',
    agent: [{ name, requestor: true }], source: { observer: { display: name } }, entity: [{ what: { reference: 'Patient/' + patient.id } }],
  });
  const looks = (await c.pages('AuditEvent', { patient: patient.id, _count: '3', _sort: '-date' })).flat();
  assert.equal(new Set(looks).size, looks.length, name + ': pages of the audit log');
  assert.ok(looks.length > 10 && looks.includes(sent.id), name + ': audit log and received AuditEvents together');
  const look = await c.read('AuditEvent', looks.filter(id => id !== sent.id).at(-1));
  assert.equal(look.agent[0].requestor, true, name + ': a leaf of the audit log');
  assert.equal(new Set(pages.flat()).size, 6, name + ': no resource on two pages');
  assert.deepEqual(pages.flat().slice(0, 5), made, name + ': order over the pages');

  await c.delete('Observation', made[4]);
  const status = await c.read('Observation', made[4]).then(() => 200, e => c.status(e));
  assert.equal(status, 410, name + ': a deleted resource');
  console.log('ok ' + name);
}

async function kit() {
  const { Client } = await import(pathToFileURL(path.join(modules, 'fhir-kit-client/dist/index.js')));
  const c = new Client({ baseUrl: base, bearerToken: token });
  const meta = await c.capabilityStatement();
  assert.equal(meta.resourceType, 'CapabilityStatement');
  assert.equal((await c.smartAuthMetadata()).tokenUrl?.href, base.replace(/\/fhir$/, '/oauth/token'), 'smart metadata');
  await suite('fhir-kit-client', '431102195803120025', {
    create: body => c.create({ resourceType: body.resourceType, body }),
    read: (resourceType, id) => c.read({ resourceType, id }),
    vread: (resourceType, id, version) => c.vread({ resourceType, id, version }),
    search: (resourceType, searchParams) => c.search({ resourceType, searchParams }),
    update: body => c.update({ resourceType: body.resourceType, id: body.id, body }),
    patch: (resourceType, id, jsonPatch) => c.patch({ resourceType, id, jsonPatch }),
    history: (resourceType, id) => c.resourceHistory({ resourceType, id }),
    transaction: body => c.transaction({ body }),
    delete: (resourceType, id) => c.delete({ resourceType, id }),
    status: e => e.response?.status,
    pages: async (resourceType, searchParams) => {
      const out = [];
      let bundle = await c.resourceSearch({ resourceType, searchParams, options: {} });
      for (; bundle; bundle = await c.nextPage({ bundle })) out.push(ids(bundle));
      return out;
    },
  });
  const everything = await c.operation({ name: 'everything', resourceType: 'Patient', id: (await c.search({ resourceType: 'Patient', searchParams: { identifier: system + '|431102195803120025' } })).entry[0].resource.id, method: 'GET' });
  assert.ok(everything.entry.length >= 7, '$everything');
  const verdict = await c.operation({ name: 'validate', resourceType: 'Patient', input: { resourceType: 'Patient', gender: 'x' } });
  assert.equal(verdict.issue[0].code, 'code-invalid', '$validate');
}

async function smart() {
  const memory = { get: async () => undefined, set: async (_, v) => v, unset: async () => true };
  const c = require('fhirclient')({ headers: {} }, {}, memory).client({ serverUrl: base, tokenResponse: { access_token: token, token_type: 'bearer' } });
  const get = url => c.request({ url, headers: { 'Cache-Control': 'no-cache' } });
  await suite('fhirclient', '431102195803120041', {
    create: body => c.create(body),
    read: (type, id) => get(`${type}/${id}`),
    vread: (type, id, version) => get(`${type}/${id}/_history/${version}`),
    search: (type, params) => get(`${type}?${new URLSearchParams(params)}`),
    update: body => c.update(body),
    patch: (type, id, patch) => c.patch(`${type}/${id}`, patch),
    history: (type, id) => get(`${type}/${id}/_history`),
    transaction: body => c.request({ url: base, method: 'POST', body: JSON.stringify(body), headers: { 'Content-Type': 'application/fhir+json' } }),
    delete: (type, id) => c.delete(`${type}/${id}`),
    status: e => e.status ?? e.statusCode,
    pages: async (type, params) => {
      const out = [];
      for await (const bundle of c.pages(`${type}?${new URLSearchParams(params)}`)) out.push(ids(bundle));
      return out;
    },
  });
}

async function medplum() {
  const { MedplumClient, isOk, OperationOutcomeError } = require('@medplum/core');
  const c = new MedplumClient({ baseUrl: base.replace(/fhir$/, ''), fhirUrlPath: 'fhir', accessToken: token, fetch, cacheTime: 0 });
  await suite('medplum-core', '431102195803120068', {
    create: body => c.createResource(body),
    read: (type, id) => c.readResource(type, id, { cache: 'reload' }),
    vread: (type, id, version) => c.readVersion(type, id, version),
    search: (type, params) => c.search(type, new URLSearchParams(params)),
    update: body => c.updateResource(body),
    patch: (type, id, patch) => c.patchResource(type, id, patch),
    history: (type, id) => c.readHistory(type, id),
    transaction: body => c.executeBatch(body),
    delete: (type, id) => c.deleteResource(type, id),
    status: e => (e instanceof OperationOutcomeError && !isOk(e.outcome) ? { deleted: 410, 'not-found': 404 }[e.outcome.issue[0].code] : 0),
    pages: async (type, params) => {
      const out = [];
      for await (const list of c.searchResourcePages(type, new URLSearchParams(params))) out.push(list.map(r => r.id));
      return out;
    },
  });
}

for (const run of [kit, smart, medplum]) await run();
console.log('all clients are served');
process.exit(0);
