// The library `ws`: what a client sends goes to all of them; nothing is kept.
import {createServer} from "node:http";
import {WebSocketServer} from "ws";

const http = createServer();
const server = new WebSocketServer({server: http, perMessageDeflate: false});
server.on("connection", (socket) => {
  socket.send("hello");
  socket.on("message", (data, isBinary) => {
    for (const each of server.clients) each.send(data, {binary: isBinary});
  });
  socket.on("error", () => {});
});
http.listen({port: 0, host: "127.0.0.1", backlog: 4096}, () => console.log(`port ${http.address().port}`));
