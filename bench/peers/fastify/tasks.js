// graphile-worker: adds TASKS empty jobs, runs them in batches, and prints the seconds from the first claim to the
// last completion as one line of JSON.
import { EventEmitter } from 'node:events'
import { makeWorkerUtils, run } from 'graphile-worker'
import pg from 'pg'

const count = Number(process.env.TASKS)
const pgPool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 20 })

const utils = await makeWorkerUtils({ pgPool })
await utils.migrate()
for (let i = 0; i < count; i += 1000)
    await utils.addJobs(Array.from({ length: Math.min(1000, count - i) }, (_, n) => (
        { identifier: 'empty', payload: { n: i + n } })))
await utils.release()
await pgPool.query('vacuum analyze graphile_worker._private_jobs')

let left = count, finished, begun, cpu
const ran = new Promise(resolve => { finished = resolve })
const events = new EventEmitter().once('localQueue:init', () => {      // all is ready; the first claim comes next
    begun = process.hrtime.bigint()
    cpu = process.cpuUsage()
})
const runner = await run({
    pgPool, taskList: { empty: async () => { if (--left === 0) finished() } },
    noHandleSignals: true, crontab: '', events,
    preset: { worker: {
        concurrentJobs: 24, maxPoolSize: 20, pollInterval: 500, localQueue: { size: 1000 },
        completeJobBatchDelay: 100, failJobBatchDelay: 100,
    } },
})
await ran
await runner.stop()         // flushes what was completed
const seconds = Number(process.hrtime.bigint() - begun) / 1e9, used = process.cpuUsage(cpu)
const { rows } = await pgPool.query('select count(*)::int as n from graphile_worker._private_jobs')
await pgPool.end()
console.log(JSON.stringify({
    seconds, cpu: (used.user + used.system) / 1e6, left: rows[0].n,
}))
process.exit(0)
