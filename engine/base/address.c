/*
 * Address: see address.h.
 */
#include "address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

bool address_is_numeric(const char *text)
{
    struct in6_addr any;

    return inet_pton(AF_INET, text, &any) == 1 ||
           inet_pton(AF_INET6, text, &any) == 1;
}

bool address_is_loopback(const char *text)
{
    struct in_addr v4;
    struct in6_addr v6;

    if (inet_pton(AF_INET, text, &v4) == 1)
        return ntohl(v4.s_addr) >> IN_CLASSA_NSHIFT == IN_LOOPBACKNET;
    if (inet_pton(AF_INET6, text, &v6) != 1)
        return false;
    return IN6_IS_ADDR_LOOPBACK(&v6) ||
           (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == IN_LOOPBACKNET);
}
