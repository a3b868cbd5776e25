/*
 * The least a libmicrohttpd program can do: the yardstick for GET /health.
 *
 *   bare_mhd PORT [TEXT]    prints "port N", serves until SIGTERM or SIGINT
 *
 * Same threading as the REST door (one epoll thread), one response made at the
 * start and sent for every request, no checks of any kind.
 */
#include <arpa/inet.h>
#include <microhttpd.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum MHD_Result answer(void *response, struct MHD_Connection *connection,
                              const char *url, const char *verb,
                              const char *version, const char *bytes,
                              size_t *size, void **state)
{
    (void)url, (void)verb, (void)version, (void)bytes;
    *size = 0;
    if (!*state) { /* the head; an answer to it would close the connection */
        *state = response;
        return MHD_YES;
    }
    return MHD_queue_response(connection, MHD_HTTP_OK, response);
}

int main(int argc, char **argv)
{
    static const char usual[] =
        "{\"status\":\"ok\",\"model\":\"demo\",\"version\":\"1.2.0\"}";
    const char *text = argc > 2 ? argv[2] : usual;
    int port = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 0;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct MHD_Response *response = MHD_create_response_from_buffer(
        strlen(text), (void *)(size_t)text, MHD_RESPMEM_PERSISTENT);
    struct MHD_Daemon *daemon;
    sigset_t signals;
    int signal_number;

    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
    (void)MHD_add_response_header(response, "Content-Type", "application/json");
    daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, (uint16_t)port,
                              NULL, NULL, answer, response,
                              MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_END);
    if (!daemon) {
        (void)fprintf(stderr, "cannot listen on port %d\n", port);
        return 2;
    }
    (void)printf("port %d\n",
                 MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
    (void)fflush(stdout);
    (void)sigwait(&signals, &signal_number);
    MHD_stop_daemon(daemon);
    MHD_destroy_response(response);
    return 0;
}
