/* The least that telling N readers can cost: accept N sockets, then send() the same bytes to each, again and again.

   send_loop N BYTES; a line on standard input: that many rounds; it answers with a line. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int main(int argc, char **argv) {
    int n = atoi(argv[1]), size = atoi(argv[2]), one = 1, rounds;
    int *socks = malloc(n * sizeof *socks);
    char *frame = malloc(size);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    if (argc != 3 || !socks || !frame || bind(listener, (struct sockaddr *)&address, length) ||
        listen(listener, 1024) || getsockname(listener, (struct sockaddr *)&address, &length)) {
        perror("send_loop");
        return 1;
    }
    memset(frame, 'y', size);
    printf("port %d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (int i = 0; i < n; i++) {
        socks[i] = accept4(listener, 0, 0, SOCK_NONBLOCK);
        setsockopt(socks[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    }
    while (scanf("%d", &rounds) == 1) {
        while (rounds--)
            for (int i = 0; i < n; i++)
                if (send(socks[i], frame, size, 0) != size) {
                    perror("send");
                    return 1;
                }
        printf("done\n");
        fflush(stdout);
    }
    return 0;
}
