/*
 * Ports: one entry per port number; see ports.h.
 */
#include "ports.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static const uint64_t quarantine_ns = REG_QUARANTINE_S * 1000000000ULL;

/*
 * Binds as a server would: SO_REUSEADDR, so that closed connections in
 * TIME_WAIT do not count, but never SO_REUSEPORT, so that a listener does.
 */
static bool can_bind(const struct sockaddr *address, socklen_t size)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    bool ok;

    if (fd < 0)
        return errno == EAFNOSUPPORT; /* no such protocol, no conflict */
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (address->sa_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    ok = bind(fd, address, size) == 0 || errno == EADDRNOTAVAIL;
    (void)close(fd);
    return ok;
}

bool reg_port_is_free(void *context, int port)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
                              .sin6_port = htons((uint16_t)port)};

    (void)context;
    return can_bind((const struct sockaddr *)&v4, sizeof v4) &&
           can_bind((const struct sockaddr *)&v6, sizeof v6);
}

bool reg_ports_init(struct reg_ports *ports, struct error *err)
{
    if (ports->first < REG_PORT_LOWEST || ports->last > REG_PORT_HIGHEST ||
        ports->first > ports->last)
        return fail(err, ERR_USAGE, "ports %d-%d is not a range in %d-%d",
                    ports->first, ports->last, REG_PORT_LOWEST,
                    REG_PORT_HIGHEST);
    if (!ports->probe)
        ports->probe = reg_port_is_free;
    ports->all = calloc(REG_PORT_HIGHEST + 1, sizeof *ports->all);
    if (!ports->all)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for the port table");
    return true;
}

void reg_ports_release(struct reg_ports *ports)
{
    free(ports->all);
    ports->all = NULL;
}

enum reg_port_state reg_ports_state(const struct reg_ports *ports, int port,
                                    uint64_t owner, uint64_t now_ns)
{
    const struct reg_port *entry = &ports->all[port];

    if (entry->taken || port == ports->reserved)
        return REG_PORT_TAKEN;
    if (entry->resting_until_ns > now_ns && entry->owner != owner)
        return REG_PORT_RESTING;
    return REG_PORT_FREE;
}

void reg_ports_hold(struct reg_ports *ports, int port, uint64_t owner)
{
    ports->all[port] = (struct reg_port){.taken = true, .owner = owner};
}

int reg_ports_take_any(struct reg_ports *ports, uint64_t owner, uint64_t now_ns,
                       struct error *err)
{
    for (int port = ports->first; port <= ports->last; port++)
        if (reg_ports_state(ports, port, 0, now_ns) == REG_PORT_FREE &&
            ports->probe(ports->context, port)) {
            reg_ports_hold(ports, port, owner);
            return port;
        }
    (void)fail(err, ERR_NO_PORT_AVAILABLE, "every port of %d-%d is taken",
               ports->first, ports->last);
    return 0;
}

void reg_ports_give_back(struct reg_ports *ports, int port)
{
    ports->all[port].taken = false;
    ports->all[port].resting_until_ns = 0;
}

void reg_ports_rest(struct reg_ports *ports, int port, uint64_t now_ns)
{
    ports->all[port].taken = false;
    ports->all[port].resting_until_ns = now_ns + quarantine_ns;
}
