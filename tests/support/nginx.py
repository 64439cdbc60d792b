"""nginx as the README sets it up: auth_request in front of another service, which here says what reached it."""
import os
import shutil

from .process import Port
from .services import Service, answers

# What the service behind it answers: what of the request reached it.
SAID = ' '.join(['method=$request_method', 'uri=$request_uri',
                 *(f'{word}=$http_x_auth_{word}' for word in ('user', 'role', 'kind', 'session'))])

CONFIG = '''
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log stderr warn;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;

    server {{
        listen 127.0.0.1:{upstream};
        location / {{
            default_type text/plain;
            return 200 "{said}";
        }}
    }}

    server {{
        listen 127.0.0.1:{port};

        location / {{
            auth_request /_gatehouse;
            auth_request_set $gate_status $upstream_status;
            auth_request_set $gate_retry $upstream_http_retry_after;
            auth_request_set $gate_decision $upstream_http_x_decision_id;
            auth_request_set $auth_user $upstream_http_x_auth_user;
            auth_request_set $auth_role $upstream_http_x_auth_role;
            auth_request_set $auth_kind $upstream_http_x_auth_kind;
            auth_request_set $auth_session $upstream_http_x_auth_session;
            error_page 500 = @gatehouse;        # what auth_request makes of all but 2xx, 401 and 403

            proxy_set_header X-Auth-User $auth_user;
            proxy_set_header X-Auth-Role $auth_role;
            proxy_set_header X-Auth-Kind $auth_kind;
            proxy_set_header X-Auth-Session $auth_session;
            proxy_set_header X-Decision-Id $gate_decision;
            proxy_pass http://127.0.0.1:{upstream};
        }}

        location = /_gatehouse {{
            internal;
            proxy_pass http://127.0.0.1:{gatehouse}/forward-auth;
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
            proxy_set_header Host $host;
            proxy_set_header X-Original-URI $request_uri;
            proxy_set_header X-Original-Method $request_method;
            proxy_set_header X-Forwarded-Uri "";
            proxy_set_header X-Forwarded-For $remote_addr;
        }}

        location @gatehouse {{
            add_header Retry-After $gate_retry always;
            if ($gate_status = 429) {{ return 429; }}
            return 503;
        }}
    }}
}}
'''


class Nginx(Service):
    """In front of a toy service, asking the server on that port."""

    def __init__(self, folder, gatehouse):
        super().__init__(folder, user='nobody')
        self.gatehouse, self.upstream_held = gatehouse, Port()

    def prepare(self):
        with open(self.path('conf'), 'w') as file:
            file.write(CONFIG.format(folder=self.folder, port=self.port, upstream=self.upstream_held.number,
                                     gatehouse=self.gatehouse, said=SAID))

    def command(self):
        program = shutil.which('nginx') or '/usr/sbin/nginx'
        if not os.access(program, os.X_OK):
            raise AssertionError('there is no nginx: install nginx')
        return [program, '-p', self.folder, '-e', 'stderr', '-c', self.path('conf')]

    def is_ready(self):
        return answers(self.port)

    def destroy(self):
        super().destroy()
        self.upstream_held.give()
