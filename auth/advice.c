/*
 * See advice.h. A row's cause is what happened, its step what to do next; "app" is the user's own
 * registration, whose client id was given. Codes without a row fall back to the word, and words
 * without one to a general sentence.
 */
#include "auth/advice.h"

#include <stddef.h>
#include <string.h>

// clang-format off
static const struct {
    long code;
    struct auth_advice advice;
} codes[] = {
    {16000, {"the app takes no accounts of this kind",
             "register it for \"any organizational directory and personal Microsoft accounts\", or use another --tenant", true}},
    {50020, {"the app takes no accounts from outside its own directory",
             "register it for \"any organizational directory and personal Microsoft accounts\", or use another --tenant", true}},
    {50011, {"the app has no redirect address for this program",
             "add the platform \"Mobile and desktop applications\" with http://localhost to its registration", true}},
    {50034, {"the directory does not know this account", "check the account's name and --tenant", true}},
    {50055, {"the password has expired", "change it in a browser", true}},
    {50057, {"the account is switched off", "ask whoever runs the directory", false}},
    {50076, {"a second factor is wanted", "sign in with a browser", true}},
    {50078, {"the second factor has expired", "sign in with a browser", true}},
    {50079, {"a second factor must be set up", "sign in with a browser", true}},
    {50173, {"the sign-in was taken back, as by a new password", "sign in again", true}},
    {50196, {"it was asked too often in a row", "wait some minutes", true}},
    {501481, {"the code was asked for by somebody else (PKCE)", "sign in again", true}},
    {53003, {"the organization's rules (conditional access) forbid it", "ask whoever runs the directory", false}},
    {530035, {"the organization's rules (security defaults) forbid it", "ask whoever runs the directory; the device code may be what they forbid, so try --browser", false}},
    {65001, {"nobody has consented to what the app wants", "consent in the browser, or have an administrator do it", true}},
    {65004, {"the consent was declined", "accept in the browser", true}},
    {70000, {"the sign-in is not good any more, or the scope was never granted", "sign in again", true}},
    {70008, {"the sign-in has expired", "sign in again", true}},
    {70011, {"the scope is not one that the app may ask for", "give the app the delegated permission IMAP.AccessAsUser.All", true}},
    {70016, {"nobody has entered the code yet", "enter it", true}},
    {70043, {"the sign-in has expired by the organization's rules", "sign in again", true}},
    {90002, {"there is no such directory", "check --tenant", true}},
    {90094, {"an administrator must consent to the app", "ask whoever runs the directory", false}},
    {700016, {"the app is not known there", "check --client-id and --tenant", true}},
    {700025, {"the app is registered as a confidential one", "register it as a public client (\"Mobile and desktop applications\")", true}},
    {700082, {"the sign-in has expired after a long time without use", "sign in again", true}},
    {700084, {"the sign-in has expired, as those of web pages do after a day", "register the app as \"Mobile and desktop applications\"", true}},
    {7000218, {"the app does not allow public client flows", "set \"Allow public client flows\" to Yes in its registration", true}},
    {9002332, {"the app is for work accounts alone", "use --tenant organizations, or register it for personal accounts too", true}},
};

static const struct {
    const char *word;
    struct auth_advice advice;
} words[] = {
    {"invalid_grant", {"the sign-in is not good any more", "sign in again", true}},
    {"interaction_required", {"a person is needed", "sign in again", true}},
    {"login_required", {"a person is needed", "sign in again", true}},
    {"consent_required", {"nobody has consented to what the app wants", "consent in the browser", true}},
    {"invalid_client", {"the app is not accepted", "check --client-id, and that it is a public client", true}},
    {"unauthorized_client", {"the app may not sign people in this way", "check --client-id and --tenant", true}},
    {"unsupported_grant_type", {"the server does not know this way to sign in", "try --browser or --device, and check --authority", true}},
    {"invalid_scope", {"the scope is not one that the app may ask for", "give the app the delegated permission IMAP.AccessAsUser.All", true}},
    {"invalid_request", {"the server does not understand the request", "check --client-id, --tenant and --authority", true}},
    {"access_denied", {"it was declined", "accept in the browser", true}},
    {"authorization_declined", {"it was declined", "accept in the browser", true}},
    {"expired_token", {"the code was not entered in time", "start over", true}},
    {"bad_verification_code", {"the server does not know the code any more", "start over", true}},
    {"server_error", {"the server is in trouble", "try again later", false}},
    {"temporarily_unavailable", {"the server is busy", "try again later", false}},
};

static const struct auth_advice unknown = {"the server refuses", "sign in again", true};
// clang-format on

const struct auth_advice *auth_advice_for(const char *word, long code)
{
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (codes[i].code == code)
            return &codes[i].advice;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i].word, word) == 0)
            return &words[i].advice;
    return &unknown;
}
