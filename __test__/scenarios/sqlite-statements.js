'use strict';

const Database = require('libsql');
const { scenario } = require('../support/scenario.js');

scenario(module, {
  cause: 'SQLite statements prepared for each request and kept',
  verdict: 'native-live',
  async load({ watched }) {
    const database = new Database(':memory:');
    const columns = Array.from({ length: 100 }, (_, index) => `column_${index}`);
    database.exec(`CREATE TABLE rows (${columns.join(', ')})`);
    const values = columns.map(() => '?').join(', ');
    const statements = [];
    const window = await watched(7000, () => {
      for (let request = 0; request < 30; request++) {
        const wanted = columns.map((column) => `${column} = ${statements.length}`).join(' OR ');
        statements.push(database.prepare(`INSERT INTO rows VALUES (${values})`));
        statements.push(database.prepare(`SELECT * FROM rows WHERE ${wanted} ORDER BY column_1`));
      }
    });
    return { database, statements, window };
  },
});
