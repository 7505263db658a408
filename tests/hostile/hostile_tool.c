/* hostile_tool.c - a command function that behaves in every bad way, by the name in argv[1].
 *
 * Built without sanitizers, so that limits on memory mean what they say. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

extern char **environ;

static char input[1 << 20];

static void read_input(void)
{
    size_t n = 0;
    ssize_t got;
    while ((got = read(0, input + n, sizeof input - 1 - n)) > 0)
        n += (size_t)got;
}

static void forever(void)
{
    for (;;)
        pause();
}

static int echo(void)
{
    printf("%s\n", input);
    return 0;
}

static int fail(void)
{
    fprintf(stderr, "first line\nno such word\n");
    return 3;
}

static int silent(void)
{
    return 0;
}

static int hang(void)
{
    forever();
    return 0;
}

static int stubborn(void)
{
    for (int s = 1; s < NSIG; s++)
        signal(s, SIG_IGN);
    forever();
    return 0;
}

static int endless(void)
{
    for (;;)
        if (write(1, "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\n", 64) < 0)
            return 0;
}

static int endless_words(void)
{
    for (int i = 0; i < 200000; i++)
        fprintf(stderr, "complaint %d\n", i);
    printf("done\n");
    return 0;
}

static int bytes(void)
{
    fwrite("a\xff\xfe" "b", 1, 4, stdout);
    return 0;
}

static int nul(void)
{
    fwrite("a\0b", 1, 3, stdout);
    return 0;
}

static int crash(void)
{
    raise(SIGSEGV);
    return 0;
}

static int eat_memory(void)
{
    for (size_t sum = 0; sum < (size_t)8 << 30; sum += 1 << 20) {
        char *p = malloc(1 << 20);
        if (!p) {
            fprintf(stderr, "no more memory after %zu MiB\n", sum >> 20);
            return 9;
        }
        memset(p, 1, 1 << 20);
    }
    return 0;
}

static int eat_shared_memory(void)
{
    for (size_t sum = 0; sum < (size_t)8 << 30; sum += 16 << 20) {
        char *p = mmap(NULL, 16 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED) {
            fprintf(stderr, "no more shared memory\n");
            return 9;
        }
        memset(p, 1, 4096);
    }
    return 0;
}

static int spin(void)
{
    for (volatile unsigned long i = 1; i != 0; i++)
        continue;
    return 0;
}

static int fill_disk(void)
{
    char path[] = "/tmp/apprentice_fill_XXXXXX";
    int fd = mkstemp(path);
    unlink(path);
    signal(SIGXFSZ, SIG_IGN);
    for (int i = 0; i < 100; i++)
        if (ftruncate(fd, (off_t)(i + 1) << 20) != 0) {
            fprintf(stderr, "the file may have %d MiB\n", i);
            return 9;
        }
    return 0;
}

/* A child that leaves group and session and keeps our output open. */
static int leave_child(void)
{
    if (fork() == 0) {
        setsid();
        if (fork() == 0) {
            execlp("sleep", "sleep", "87654", (char *)NULL);
            _exit(1);
        }
        _exit(0);
    }
    printf("left it\n");
    return 0;
}

static int many_children(void)
{
    for (int i = 0; i < 40; i++)
        if (fork() == 0) {
            execlp("sleep", "sleep", "87655", (char *)NULL);
            _exit(1);
        }
    forever();
    return 0;
}

static int close_output(void)
{
    close(1);
    close(2);
    forever();
    return 0;
}

static int show_env(void)
{
    for (char **e = environ; *e; e++)
        printf("%.*s ", (int)strcspn(*e, "="), *e);
    return 0;
}

static int show_fds(void)
{
    for (int fd = 3; fd < 256; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            printf("%d ", fd);
    printf("none other\n");
    return 0;
}

static int network(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(53)};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    inet_pton(AF_INET, "192.0.2.1", &to.sin_addr);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        printf("no network: %s\n", strerror(errno));
    else
        printf("the network is there\n");
    return 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(void);
    } modes[] = {{"echo", echo}, {"fail", fail}, {"silent", silent}, {"hang", hang}, {"stubborn", stubborn},
                 {"endless", endless}, {"endless_words", endless_words}, {"bytes", bytes}, {"nul", nul},
                 {"crash", crash}, {"eat_memory", eat_memory}, {"eat_shared_memory", eat_shared_memory},
                 {"spin", spin}, {"fill_disk", fill_disk}, {"leave_child", leave_child},
                 {"many_children", many_children}, {"close_output", close_output}, {"show_env", show_env},
                 {"show_fds", show_fds}, {"network", network}};
    const char *mode = argc > 1 ? argv[1] : "echo";
    if (strcmp(mode, "deaf") == 0) { /* never reads */
        printf("did not listen\n");
        return 0;
    }
    read_input();
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
        if (strcmp(modes[i].name, mode) == 0)
            return modes[i].run();
    return 2;
}
